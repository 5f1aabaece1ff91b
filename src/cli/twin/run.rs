//! `metawrk twin run`: a simulated run, and the boundaries of the twin.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::REPLACE;
use crate::cli::exit_codes::verdict_exit_codes;
use crate::out::say;
use crate::record::OutputFile;
use crate::twin::answer::TwinAnswer;
use crate::twin::plan::{TwinOverrides, TwinPlan};
use crate::units::{Time, parse_number};

const AFTER_HELP: &str = concat!(
    "\
Examples:
  metawrk twin run experiments/twin/retry-storm.toml
  metawrk twin run experiments/twin/retry-storm.toml --rate 120
  metawrk twin run FILE --json - | jq .stable_rate

Exit codes:
  0    success
  1    error or invalid usage",
    verdict_exit_codes!("")
);

/// The twin to simulate.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Twin file (TOML)
    file: PathBuf,

    /// Request rate, in requests per second
    #[arg(long, value_name = "N", value_parser = parse_number, help_heading = REPLACE)]
    rate: Option<f64>,

    /// Duration of the outage. 0s removes it
    #[arg(long, value_name = "T", help_heading = REPLACE)]
    outage: Option<Time>,

    /// Seed of the random arrivals, service times and shed requests
    #[arg(long, value_name = "N", help_heading = REPLACE)]
    seed: Option<u64>,

    /// Write the answer as JSON. With -, JSON replaces the text on standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,

    /// Exit with the code of the verdict
    #[arg(long, help_heading = "Output")]
    exit_code: bool,
}

/// Simulates, and prints the answer.
///
/// # Errors
/// If the twin file is invalid, or the answer cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { file, rate, outage, seed, json, exit_code } = args;
    let plan = TwinPlan::read(&file, &TwinOverrides { rate, outage, seed, observe: None })?;
    let is_json_only = json.as_deref() == Some(Path::new("-"));
    let json = json.as_deref().map(OutputFile::create).transpose()?;
    let answer = TwinAnswer::of(&plan).context("cannot search for the boundaries, which takes longer runs")?;
    if let Some(json) = json {
        json.write_and_finish(format!("{}\n", serde_json::to_string_pretty(&answer)?).as_bytes())?;
    }
    if !is_json_only {
        say(&answer.to_text())?;
    }
    Ok(ExitCode::from(if exit_code { answer.exit_code } else { 0 }))
}
