//! The two programs' command lines: arguments to a plan, the library called, the error printed, the exit code.
//!
//! Exit codes: 0 done, 1 bad usage or no load at all, 130 and 143 ended by SIGINT and SIGTERM (with a full report),
//! and with `experiment --exit-code` the verdict's own.

mod experiment;
mod load;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::testbed;

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
    Load(load::Args),
    /// Run the testbed alone, or one of its parts
    Testbed(testbed::cli::TestbedArgs),
}

/// `wrk2 ...`
#[derive(Parser)]
#[command(name = "wrk2", version, arg_required_else_help = true)]
struct Wrk2 {
    #[command(flatten)]
    load: load::Args,
}

/// The program `metawrk`.
pub fn metawrk() -> ExitCode {
    match parse::<Metawrk>(std::env::args_os()) {
        Ok(Metawrk { command }) => done(match command {
            Command::Experiment(args) => experiment::run(args),
            Command::Report(args) => experiment::report(args),
            Command::Load(args) => load::run(args),
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
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Prints to standard output.
fn say(text: &str) -> io::Result<()> {
    put(&mut io::stdout().lock(), text)
}

/// A reader that has left (`| head`) wants no more, and what was run is done all the same.
fn put(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_left_is_no_error_and_a_full_disk_is() {
        let (reader, mut pipe) = io::pipe().unwrap();
        put(&mut pipe, "read").unwrap();
        drop(reader);
        put(&mut pipe, "not read").unwrap();
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(put(&mut full, "lost").is_err());
    }
}
