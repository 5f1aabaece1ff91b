//! From arguments to an exit code: parsing, and printing an error.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

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
    P::try_parse_from(args).map_err(|mut error| {
        suggest_command(&mut error);
        // If printing fails, there is no other place to report it.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    })
}

/// Words that users of other tools try, and the command that does it here.
const OTHER_WORDS: [(&str, &[&str]); 10] = [
    ("init", &["new", "create", "setup"]),
    ("experiment", &["run", "exp", "start", "chaos", "inject"]),
    ("load", &["attack", "bench", "benchmark", "http", "wrk", "wrk2", "generate"]),
    ("check", &["validate", "verify", "lint", "doctor", "test"]),
    ("report", &["show", "plot", "analyze", "analyse", "view", "results"]),
    ("restore", &["undo", "heal", "clean", "cleanup", "reset", "stop", "rollback"]),
    ("search", &["find", "bisect"]),
    ("compare", &["diff", "vs", "versus"]),
    ("testbed", &["demo", "serve", "server"]),
    ("twin", &["simulate", "simulation", "model", "predict"]),
];

/// Commands that this program starts itself with.
const INTERNAL: [&str; 5] = ["agent", "keeper", "probe", "inside", "stress"];

/// Adds the command that was probably meant to the error about an unknown one.
fn suggest_command(error: &mut clap::Error) {
    if let Some(ContextValue::Strings(mut names)) = error.remove(ContextKind::SuggestedSubcommand) {
        names.retain(|name| !INTERNAL.contains(&name.as_str()));
        if !names.is_empty() {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
        }
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else { return };
    if unknown.contains("://") {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec!["load".to_owned()]));
        return;
    }
    let known = OTHER_WORDS.iter().find(|(_, words)| words.contains(&unknown.to_lowercase().as_str()));
    if let Some((command, _)) = known {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![(*command).to_owned()]));
    }
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
    fn an_unknown_command_gets_the_command_that_was_meant() {
        let message = |word: &str| {
            let mut error = crate::cli::command().try_get_matches_from(["metawrk", word]).unwrap_err();
            suggest_command(&mut error);
            error.to_string()
        };
        for (word, command) in [
            ("run", "experiment"),
            ("attack", "load"),
            ("http://localhost/", "load"),
            ("undo", "restore"),
            ("experimnt", "experiment"),
            ("Validate", "check"),
        ] {
            assert!(message(word).contains(&format!("'{command}'")), "{}", message(word));
        }
        assert!(!message("qqqq").contains("similar"), "{}", message("qqqq"));
        assert!(!message("keper").contains("keeper"), "{}", message("keper"));
    }

    #[test]
    fn an_error_text_has_each_cause_once() {
        let error = anyhow!("disk full").context("cannot write a.json: disk full").context("the run failed");
        assert_eq!(error_text(&error), "the run failed: cannot write a.json: disk full");
    }
}
