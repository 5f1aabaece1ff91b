use std::path::PathBuf;
use std::process::ExitCode;

use super::experiment::Changes;
use crate::experiment::check::{Level, check};
use crate::out::say;

/// An experiment that is to be looked at.
#[derive(clap::Args)]
pub struct Args {
    /// The experiment's TOML file; without one, the embedded testbed
    file: Option<PathBuf>,

    #[command(flatten)]
    changes: Changes,
}

/// Looks at all that an experiment takes, a line each: `ok`, `warn`, `FAIL`. Exit code 1 where one failed.
///
/// # Errors
/// Where nobody takes the lines.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (overrides, out) = args.changes.resolve();
    let (mut failed, mut said) = (false, Ok(()));
    check(args.file.as_deref(), &overrides, &out, &mut |finding| {
        failed |= finding.level == Level::Fail;
        if said.is_ok() {
            said = say(&format!("{finding}\n"));
        }
    })?;
    said?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
