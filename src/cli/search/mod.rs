//! `metawrk search`: where the boundary is between a system that recovers and one that stays stuck.

mod stable;

use std::process::ExitCode;

use clap::Subcommand;

/// What to search for.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    boundary: Boundary,
}

#[derive(Subcommand)]
enum Boundary {
    /// The stable rate: below it the system recovers from the fault, above it the system stays stuck
    Stable(stable::Args),
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`super::campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.boundary {
        Boundary::Stable(args) => stable::run(args),
    }
}
