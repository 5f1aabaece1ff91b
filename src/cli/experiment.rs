//! `metawrk experiment`: runs an experiment, and reports on it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::earlier_runs::suggest_rate;
use super::exit_codes::with_verdict_exit_codes;
use super::experiment_options::ExperimentOptions;
use super::interrupts::{Interrupts, Stage};
use super::parts::PartOptions;
use super::progress_options::ProgressOptions;
use super::report::{EXIT_CODES, ReportOptions, report_code, write_report};
use crate::experiment::{RunOptions, run_experiment};
use crate::load::{Generator, LocalGenerator};
use crate::out::{say, warn};
use crate::plan::config::{AdaptedPlan, read_plan};

const LONG_HELP: &str = with_verdict_exit_codes!(
    "\
Examples:
  metawrk experiment                                        the embedded testbed, which does not recover
  metawrk experiment --rate 50                              a load from which it recovers
  metawrk experiment --outage 0s                            no fault
  metawrk experiment experiments/retry-storm.toml
  metawrk experiment FILE --fail-if 'p99>2s' --exit-code --junit run.xml

"
);

/// The experiment to run.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES, after_long_help = LONG_HELP)]
pub struct Args {
    /// Experiment file (TOML). Without it, the embedded testbed is used
    file: Option<PathBuf>,

    #[command(flatten)]
    options: ExperimentOptions,

    #[command(flatten)]
    parts: PartOptions,

    /// Apply the faults even if the baseline before them is not healthy. Such a run is INVALID
    #[arg(long)]
    anyway: bool,

    #[command(flatten)]
    output: ReportOptions,

    #[command(flatten)]
    progress: ProgressOptions,

    /// Show progress on one line instead of the full-screen view
    #[arg(long, help_heading = "Output")]
    no_tui: bool,
}

/// Runs an experiment, and reports on it. SIGINT, SIGTERM and SIGHUP end the load early, and the report is then still written.
///
/// # Errors
/// If the plan is invalid, the load did not start, or the results could not be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (overrides, out) = args.options.resolve();
    let AdaptedPlan { plan, notes } = read_plan(args.file.as_deref(), &overrides)?;
    say(&format!("{}: {} requests/s, at most {}\n", plan.name(), plan.load().rate, plan.phases().duration))?;
    let files = args.output.create_files()?;
    let generator: Arc<dyn Generator> = match args.parts.resolve()? {
        Some(cluster) => Arc::new(cluster),
        None => Arc::new(LocalGenerator),
    };
    let options = RunOptions { anyway: args.anyway, notes, generator };
    let title = format!("{}, {} requests/s", plan.name(), plan.load().rate);
    let has_tui = !args.no_tui && !args.progress.has_style();
    let mut outputs = args.progress.experiment_outputs(has_tui.then_some(title))?;
    let result = run_experiment(&plan, &out, options, &mut |progress| outputs.show(progress));
    drop(outputs);
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            let Some(signal) = error.stopped() else { return Err(error.into()) };
            warn(&error.to_string());
            return Ok(ExitCode::from(signal.exit_code()));
        }
    };
    let interrupts =
        Interrupts::listen("Writing the report. Interrupt again to skip it; `metawrk report` can write it later.")?;
    interrupts.enter(Stage::Writing);
    let dir = result.folder.path();
    let data = write_report(dir, &result.folder.lock_report()?)?;
    files.write(&data)?;
    if let Some(suggestion) = suggest_rate(dir, &data) {
        say(&format!("{suggestion}\n\n"))?;
    }
    say(&format!("Results in {}: open {}\n", dir.display(), dir.join("report.html").display()))?;
    if let Some(failure) = &result.failure {
        let early = format!("the run ended early: {failure}");
        // A signal ended the run, and a script that never returns shows only then.
        anyhow::ensure!(result.stopped.is_some(), early);
        warn(&early);
    }
    Ok(match result.stopped.or(interrupts.first()) {
        Some(signal) => ExitCode::from(signal.exit_code()),
        None => report_code(args.output.exit_code, &data),
    })
}
