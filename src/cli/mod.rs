//! The two programs' command lines: arguments to a plan, the library called, the error printed, the exit code.
//!
//! Exit codes: 0 done, 1 bad usage or no load at all, 130 and 143 ended by SIGINT and SIGTERM (with a full report),
//! and with `experiment --exit-code` the verdict's own.

mod experiment;
mod line;
mod load;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::{out, testbed};

/// A load generator that replaces wrk2, and a laboratory for metastable failures.
#[derive(Parser)]
#[command(name = "metawrk", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Metawrk {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment: load, a fault, and a verdict on what it did to the system
    Experiment(experiment::Args),
    /// Judge a results folder, and draw its report, again
    Report(experiment::ReportArgs),
    /// Make load as wrk2 does (the same command line)
    #[command(display_name = "metawrk", override_usage = "metawrk load -R <N> [OPTIONS] <URL>... [-- <ARG>...]")]
    Load(Box<load::args::Args>),
    /// Run the testbed alone, or one of its parts
    Testbed(testbed::cli::TestbedArgs),
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
}

/// The program `metawrk`.
pub fn metawrk() -> ExitCode {
    match parse::<Metawrk>(std::env::args_os()) {
        Ok(Metawrk { command }) => done(match command {
            Command::Experiment(args) => experiment::run(args),
            Command::Report(args) => experiment::report(args),
            Command::Load(args) => load::run(*args),
            Command::Testbed(args) => testbed::cli::run(args).map(|()| ExitCode::SUCCESS),
        }),
        Err(code) => code,
    }
}

/// The program `wrk2`.
pub fn wrk2() -> ExitCode {
    match parse::<Wrk2>(std::env::args_os()) {
        Ok(Wrk2 { load }) => done(load::run(load)),
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
