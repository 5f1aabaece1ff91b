//! `metawrk report`: judges the results of an experiment, and writes its report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::exit::THRESHOLD_FAILED;
use super::exit_codes::with_verdict_exit_codes;
use crate::out::{say, warn};
use crate::record::OutputFile;
use crate::record::folder::{CHECKSUMS, ReportLock};
use crate::report::ci::{CiReport, format_junit, format_markdown};
use crate::report::generator::GeneratorReport;
use crate::report::phases::{format_phases, summarize_phases};
use crate::report::statistics::RunStatistics;
use crate::report::thresholds::format_thresholds;
use crate::report::{self, ReportData, describe_running, read_report_data};
use crate::verdict::VerdictText;

/// The exit codes in the help of the commands that have `--exit-code`.
pub const EXIT_CODES: &str = with_verdict_exit_codes!("");

const LONG_HELP: &str = with_verdict_exit_codes!(
    "\
Examples:
  metawrk report results/latest                        judge again, and draw again
  metawrk report results/latest --markdown - | less    a summary

"
);

/// The results to report on.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES, after_long_help = LONG_HELP)]
pub struct Args {
    /// Results folder, for example results/latest
    dir: PathBuf,

    #[command(flatten)]
    output: ReportOptions,
}

/// What a report writes outside of the results folder.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
pub struct ReportOptions {
    /// Exit with the code of the verdict
    #[arg(long)]
    pub exit_code: bool,

    /// Write the verdict, and whether each threshold was kept, as JUnit XML, for CI systems
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write a summary as Markdown, for CI systems
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// The files of `--junit` and `--markdown`.
pub struct CiFiles {
    junit: Option<OutputFile>,
    markdown: Option<OutputFile>,
}

impl ReportOptions {
    /// Creates the files, so that one that cannot be written does not cost a run.
    ///
    /// # Errors
    /// Names the file that cannot be created, and the reason.
    pub fn create_files(&self) -> anyhow::Result<CiFiles> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::create).transpose();
        Ok(CiFiles { junit: create(&self.junit)?, markdown: create(&self.markdown)? })
    }
}

impl CiFiles {
    /// # Errors
    /// Names the file that cannot be written, and the reason.
    pub fn write(self, data: &ReportData) -> anyhow::Result<()> {
        let statistics = RunStatistics::of(data);
        let report = CiReport::of_experiment(data, &statistics);
        if let Some(file) = self.junit {
            file.write_and_finish(format_junit(&report).as_bytes())?;
        }
        if let Some(file) = self.markdown {
            file.write_and_finish(format_markdown(&report).as_bytes())?;
        }
        Ok(())
    }
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
        return Ok(if args.output.exit_code { ExitCode::from(NO_VERDICT) } else { ExitCode::SUCCESS });
    };
    if let Some(problem) = lock.problem(dir) {
        warn(&problem);
    }
    let files = args.output.create_files()?;
    let data = write_report(dir, &lock)?;
    files.write(&data)?;
    if !dir.join(CHECKSUMS).exists() {
        warn(&format!("{} has no {CHECKSUMS}: damage to its data is not noticed", dir.display()));
    }
    Ok(report_code(args.output.exit_code, &data))
}

/// The exit code of `--exit-code` while a run goes on, which is that of INVALID.
const NO_VERDICT: u8 = 20;

/// The exit code of the verdict if `--exit-code` is given, or else that of a threshold that failed.
pub fn report_code(exit_code: bool, data: &ReportData) -> ExitCode {
    let of_verdict = if exit_code { data.explanation.exit_code } else { 0 };
    let failed = data.thresholds.iter().any(|result| !result.passed);
    ExitCode::from(match of_verdict {
        0 if failed => THRESHOLD_FAILED,
        code => code,
    })
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
    let thresholds = format_thresholds(&data.thresholds);
    let phases = format_phases(&summarize_phases(&data));
    say(&format!("{}{}{phases}{generator}{thresholds}\n", verdict_text(&data.explanation), warnings_text(&data)))?;
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
