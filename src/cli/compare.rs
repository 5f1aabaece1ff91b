//! `metawrk compare`: two runs side by side.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::exit::THRESHOLD_FAILED;
use crate::lab::compare::answer::Comparison;
use crate::lab::compare::read::read_run;
use crate::lab::compare::run::ComparedRun;
use crate::out::{say, warn};
use crate::record::OutputFile;
use crate::units::parse_number;

const AFTER_HELP: &str = "\
Examples:
  metawrk compare results/before results/after             two experiments
  metawrk load -R100 -d60s --record a.parquet http://127.0.0.1/
  metawrk compare a.parquet b.parquet --fail-if-worse      exit code 4 if b is worse than a

Exit codes:
  0    success
  1    error or invalid usage
  4    B is worse than A, with --fail-if-worse";

/// The runs to compare.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The run to compare with: a results folder, or the records (Parquet) or the JSON of a load
    a: PathBuf,

    /// The run that is judged
    b: PathBuf,

    /// Exit with code 4 if B is worse by more than chance, and its response times by more than this many percent
    /// [default with this option: 5]
    #[arg(
        long,
        value_name = "PERCENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5",
        value_parser = parse_percent
    )]
    fail_if_worse: Option<f64>,

    /// Write the comparison as JSON. With -, JSON replaces the text on standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = parse_number(text.trim_end_matches('%')).map_err(|error| error.to_string())?;
    if (0.0..=1000.0).contains(&percent) { Ok(percent) } else { Err("must be between 0 and 1000 percent".to_owned()) }
}

/// Compares the runs, and prints what differs.
///
/// # Errors
/// If a run cannot be read, if no difference could be told from chance although `--fail-if-worse` asks for that, or the
/// comparison cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { a, b, fail_if_worse, json } = args;
    let is_json_only = json.as_deref() == Some(Path::new("-"));
    let json = json.as_deref().map(OutputFile::create).transpose()?;
    let (a, b) = (read_run(&a)?, read_run(&b)?);
    let comparison = Comparison::new(&a, &b);
    anyhow::ensure!(
        !comparison.phases.is_empty(),
        "{} and {} have no phase in common: one is a run with a fault, and the other one without",
        a.name,
        b.name
    );
    if let Some(json) = json {
        json.write_and_finish(format!("{}\n", serde_json::to_string_pretty(&comparison)?).as_bytes())?;
    }
    if !is_json_only {
        say(&comparison.to_text())?;
    }
    let unproven: Vec<&ComparedRun> = [&a, &b]
        .into_iter()
        .filter(|run| run.verdict.as_ref().is_some_and(|verdict| verdict.proves_nothing()))
        .collect();
    unproven.iter().for_each(|run| warn(&format!("warning: {} is INVALID: it proves nothing", run.name)));
    let Some(percent) = fail_if_worse else { return Ok(ExitCode::SUCCESS) };
    anyhow::ensure!(unproven.is_empty(), "--fail-if-worse needs two runs that are valid. Make the INVALID one again");
    anyhow::ensure!(
        comparison.can_tell(),
        "--fail-if-worse needs the records of both runs, at least 10 s of each. Record a load with --record FILE.parquet"
    );
    let worse = comparison.list_worse(percent / 100.0);
    if worse.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    warn(&format!("FAIL: B is worse by more than chance and {percent} %: {}", worse.join(", ")));
    Ok(ExitCode::from(THRESHOLD_FAILED))
}
