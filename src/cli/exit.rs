//! From arguments to an exit code: parsing, and printing an error.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::{out, signals};

/// Exit code if a threshold failed.
pub const THRESHOLD_FAILED: u8 = 4;

/// Parses the arguments of this process, calls `run`, and prints its error.
pub fn run_program<P: Parser>(run: impl FnOnce(P) -> anyhow::Result<ExitCode>) -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(program) => {
            signals::survive_file_size_limit().map_err(Into::into).and_then(|()| run(program)).unwrap_or_else(|error| {
                out::warn(&error_text(&error));
                ExitCode::FAILURE
            })
        }
        Err(code) => code,
    }
}

/// Invalid usage exits with 1, as wrk does. Help and version exit with 0.
fn parse<P: Parser>(args: impl Iterator<Item = OsString>) -> Result<P, ExitCode> {
    P::try_parse_from(args).map_err(|error| {
        // If printing fails, there is no other place to report it.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    })
}

/// The error and its causes. A cause that the text so far already contains is not repeated.
fn error_text(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        _ if text.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_text_has_each_cause_once() {
        let error = anyhow!("disk full").context("cannot write a.json: disk full").context("the run failed");
        assert_eq!(error_text(&error), "the run failed: cannot write a.json: disk full");
    }
}
