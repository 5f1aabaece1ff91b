//! `metawrk search`: where the boundary is between a system that recovers and one that is stuck.

mod options;
mod outage;
mod rate;
mod stable;

use std::process::ExitCode;

use clap::Subcommand;

pub use options::parse_outages;

/// What to search for.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    boundary: Boundary,
}

#[derive(Subcommand)]
enum Boundary {
    /// The stable rate: below it the system recovers from the fault, above it the system is stuck
    Stable(stable::Args),
    /// At one rate, the shortest outage that leaves the system stuck
    Outage(outage::Args),
    /// The largest rate that the system carries without a fault
    Rate(rate::Args),
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`super::campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.boundary {
        Boundary::Stable(args) => stable::run(args),
        Boundary::Outage(args) => outage::run(args),
        Boundary::Rate(args) => rate::run(args),
    }
}
