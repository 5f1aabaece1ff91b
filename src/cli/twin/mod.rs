//! `metawrk twin`: what a simulation predicts about a system.

mod map;
mod run;

use std::process::ExitCode;

use clap::Subcommand;

/// What to ask the twin.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    /// Simulate a run, and search for the stable rate and the shortest outage that leaves the system stuck
    Run(run::Args),
    /// Predict for each rate how long an outage must be to leave the system stuck
    Map(map::Args),
}

/// The heading of options that change the twin.
const REPLACE: &str = "Options that replace settings of the twin file";

/// Simulates, and prints the answer.
///
/// # Errors
/// If the twin file is invalid, or the answer cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.question {
        Question::Run(args) => run::run(args),
        Question::Map(args) => map::run(args),
    }
}
