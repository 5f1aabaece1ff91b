//! `metawrk sweep`: the hysteresis loop of a system.

use std::process::ExitCode;

use super::campaign::{self, CampaignOptions};
use crate::lab::sweep::SweepQuestion;

const AFTER_HELP: &str = "\
Examples:
  metawrk sweep                                the embedded testbed
  metawrk sweep experiments/retry-storm.toml

Exit codes:
  0    success
  1    error or invalid usage
  130  ended by SIGINT
  143  ended by SIGTERM
  129  ended by SIGHUP

Exit codes of the answer, with --exit-code:
  0    HYSTERESIS
  17   INCONCLUSIVE
  18   NOT STUCK
  20   UNANSWERED";

/// The system to sweep.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    campaign::run(args.campaign, SweepQuestion {})
}
