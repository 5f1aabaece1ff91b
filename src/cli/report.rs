//! `metawrk report`: judges the results of an experiment, and writes its report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::exit_codes::with_exit_codes;
use crate::out::{say, warn};
use crate::record::folder::{CHECKSUMS, ReportLock};
use crate::report::generator::GeneratorReport;
use crate::report::statistics::RunStatistics;
use crate::report::{self, ReportData, describe_running, read_report_data};
use crate::verdict::VerdictText;

/// The exit codes in the help of the commands that have `--exit-code`.
pub const EXIT_CODES: &str = with_exit_codes!(
    "",
    "\n\n\
Exit codes of the verdict, with --exit-code:
  0    STABLE, UNAFFECTED or RECOVERED
  10   METASTABLE
  11   DRAINING
  12   DEGRADED
  13   OSCILLATING
  14   OVERLOADED
  20   INVALID, or the run has not ended"
);

/// The results to report on.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Results folder, for example results/latest
    dir: PathBuf,

    /// Exit with the code of the verdict
    #[arg(long)]
    exit_code: bool,
}

/// Writes the report of a results folder again. While the run goes on, it only says how far the run is.
///
/// # Errors
/// If the folder lacks data that a report needs, or the report cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    let before_waiting = || warn(&format!("waiting for another report on {} to end", dir.display()));
    let Some(lock) = ReportLock::acquire(dir, before_waiting)? else {
        say(&describe_running(dir)?)?;
        return Ok(if args.exit_code { ExitCode::from(NO_VERDICT) } else { ExitCode::SUCCESS });
    };
    if let Some(problem) = lock.problem(dir) {
        warn(&problem);
    }
    let data = write_report(dir, &lock)?;
    if !dir.join(CHECKSUMS).exists() {
        warn(&format!("{} has no {CHECKSUMS}: damage to its data is not noticed", dir.display()));
    }
    Ok(verdict_code(args.exit_code, &data))
}

/// The exit code of `--exit-code` while a run goes on, which is that of INVALID.
const NO_VERDICT: u8 = 20;

/// The exit code of the verdict if `--exit-code` is given, and success otherwise.
pub fn verdict_code(exit_code: bool, data: &ReportData) -> ExitCode {
    if exit_code { ExitCode::from(data.explanation.exit_code) } else { ExitCode::SUCCESS }
}

/// Judges the results in `dir`, writes all report files, and prints the verdict and the statistics of the generator.
///
/// # Errors
/// If the folder lacks data that a report needs, or a file cannot be written.
pub fn write_report(dir: &Path, lock: &ReportLock) -> anyhow::Result<ReportData> {
    let (_, data) = read_report_data(dir, lock)?;
    let written = report::write_report(&data, dir)
        .with_context(|| format!("cannot write the report (the data of the run in {} is complete)", dir.display()));
    let generator = GeneratorReport::of(&data, &RunStatistics::of(&data)).to_text();
    say(&format!("{}{}{generator}\n", verdict_text(&data.explanation), warnings_text(&data)))?;
    written?;
    Ok(data)
}

fn verdict_text(verdict: &VerdictText) -> String {
    let lines = |lines: &[String]| lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
    let next = if verdict.next.is_empty() { "" } else { "\nNext:\n" };
    format!("\n{}\n{}{next}{}\n", verdict.name, lines(&verdict.because), lines(&verdict.next))
}

fn warnings_text(data: &ReportData) -> String {
    let of_faults = data.warnings.iter().map(|(at, text)| format!("{text} (at {:.1} s)", at.as_secs_f64()));
    data.problems.iter().cloned().chain(of_faults).map(|text| format!("Warning: {text}\n\n")).collect()
}
