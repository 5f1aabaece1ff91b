//! `metawrk sweep`: the hysteresis loop of a system.

use std::process::ExitCode;

use super::campaign::{self, CampaignOptions, add_default_dwell};
use super::exit_codes::with_exit_codes;
use crate::lab::sweep::SweepQuestion;

const AFTER_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk sweep                                the embedded testbed
  metawrk sweep experiments/retry-storm.toml

",
    "\n\n\
Exit codes of the answer, with --exit-code:
  0    HYSTERESIS
  17   INCONCLUSIVE
  18   NOT STUCK
  20   UNANSWERED"
);

/// The system to sweep.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, mut_arg("dwell", add_default_dwell::<SweepQuestion>))]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    campaign::run(args.campaign, |_| SweepQuestion {})
}
