//! The two programs' command lines: arguments to a plan, the library called, the error printed, the exit code.
//!
//! Exit codes: 0 done, 1 bad usage or no load at all, 130 and 143 ended by SIGINT and SIGTERM (with a full report),
//! 3 after a doubtful load with `--strict`, and with `experiment --exit-code` the verdict's own.

mod check;
mod experiment;
mod generate;
mod line;
mod load;
mod restore;
mod testbed;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::{fault, out};
use generate::{Generate, Output};

/// A load generator that replaces wrk2, and a laboratory for metastable failures.
#[derive(Parser)]
#[command(
    name = "metawrk",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    override_usage = "metawrk <COMMAND>"
)]
struct Metawrk {
    #[command(flatten)]
    generate: Generate,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment: load, a fault, and a verdict on what it did to the system
    Experiment(experiment::Args),
    /// Look at all that an experiment takes, without loading anything; exit code 1 where something is missing
    Check(check::Args),
    /// Judge a results folder, and draw its report, again
    Report(experiment::ReportArgs),
    /// Make load as wrk2 does (the same command line)
    #[command(display_name = "metawrk", override_usage = "metawrk load -R <N> [OPTIONS] <URL>... [-- <ARG>...]")]
    Load(Box<load::args::Args>),
    /// Undo what runs that died have left on containers
    Restore,
    /// Keep a fault on a container, as a run's lines on stdin say
    #[command(hide = true)]
    Keeper,
    /// Answer a question from inside of a container
    #[command(hide = true)]
    Inside { question: String },
    /// Run the testbed alone, or one of its parts
    Testbed(testbed::TestbedArgs),
}

/// Loads an HTTP server at a constant rate, and reports latencies that no stall of the server hides.
#[derive(Parser)]
#[command(
    name = "wrk2",
    arg_required_else_help = true,
    override_usage = "wrk2 -R <N> [OPTIONS] <URL>... [-- <ARG>...]"
)]
struct Wrk2 {
    #[command(flatten)]
    load: load::args::Args,
    #[command(flatten, next_help_heading = "Beyond wrk2: the program")]
    generate: Generate,
}

/// The command line of `metawrk`, for tests of messages that name its options.
#[cfg(test)]
pub(crate) fn command() -> clap::Command {
    Metawrk::command()
}

/// The program `metawrk`.
pub fn metawrk() -> ExitCode {
    program(|Metawrk { generate, command }| match (generate.generate, command) {
        (None, Some(Command::Experiment(args))) => experiment::run(args),
        (None, Some(Command::Check(args))) => check::run(args),
        (None, Some(Command::Report(args))) => experiment::report(args),
        (None, Some(Command::Load(args))) => load::run(*args),
        (None, Some(Command::Restore)) => restore::run(),
        (None, Some(Command::Keeper)) => fault::keeper::process::run().map(|()| ExitCode::SUCCESS),
        (None, Some(Command::Inside { question })) => restore::inside(&question),
        (None, Some(Command::Testbed(args))) => testbed::run(args).map(|()| ExitCode::SUCCESS),
        (Some(what), _) => print::<Metawrk>(what),
        // Without any argument there was help.
        (None, None) => Ok(ExitCode::FAILURE),
    })
}

/// The program `wrk2`.
pub fn wrk2() -> ExitCode {
    program(|Wrk2 { load, generate }| match generate.generate {
        Some(what) => print::<Wrk2>(what),
        None => load::run(load),
    })
}

fn print<P: CommandFactory>(what: Output) -> anyhow::Result<ExitCode> {
    out::say(&generate::text(what, P::command())?)?;
    Ok(ExitCode::SUCCESS)
}

fn program<P: Parser>(run: impl FnOnce(P) -> anyhow::Result<ExitCode>) -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(program) => done(run(program)),
        Err(code) => code,
    }
}

/// Bad usage ends with 1, as wrk's does.
fn parse<P: Parser>(args: impl Iterator<Item = OsString>) -> Result<P, ExitCode> {
    P::try_parse_from(args).map_err(|error| {
        // Nobody is left to tell where this can't be printed.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    })
}

fn done(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        out::warn(&told(&error));
        ExitCode::FAILURE
    })
}

/// The error and its causes, but those that it tells of already.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(mut command: clap::Command) -> String {
        command.build();
        command.term_width(100).render_help().to_string()
    }

    #[test]
    fn help_tells_every_option_in_its_group() {
        Metawrk::command().debug_assert();
        insta::assert_snapshot!(help(Wrk2::command()));
    }

    #[test]
    fn metawrk_load_takes_what_wrk2_takes() {
        let arguments = |command: &clap::Command| command.get_arguments().cloned().collect::<Vec<_>>();
        let metawrk = Metawrk::command();
        let load = metawrk.find_subcommand("load").map(arguments).unwrap_or_default();
        let mut wrk2 = arguments(&Wrk2::command());
        wrk2.retain(|argument| argument.get_id() != "generate");
        assert_eq!(format!("{load:?}"), format!("{wrk2:?}"));
    }
}
