//! `metawrk check`: checks the prerequisites of an experiment.

use std::path::PathBuf;
use std::process::ExitCode;

use super::experiment_options::ExperimentOptions;
use crate::experiment::check::{Level, check};
use crate::out::say;

const EXIT_CODES: &str = "\
The result of each check is one line that starts with ok, warn or FAIL.

Examples:
  metawrk check experiments/docker.toml
  metawrk check FILE --rate 500

Exit codes:
  0    no check failed (there may be warnings)
  1    a check failed, or invalid usage";

/// The experiment to check.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Experiment file (TOML). Without it, the embedded testbed is used
    file: Option<PathBuf>,

    #[command(flatten)]
    options: ExperimentOptions,
}

/// Prints one line for each check: `ok`, `warn` or `FAIL`. The exit code is 1 if a check failed.
///
/// # Errors
/// If the lines cannot be printed.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (overrides, out) = args.options.resolve();
    let (mut failed, mut printed) = (false, Ok(()));
    check(args.file.as_deref(), &overrides, &out, &mut |finding| {
        failed |= finding.level == Level::Fail;
        if printed.is_ok() {
            printed = say(&format!("{finding}\n"));
        }
    })?;
    printed?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
