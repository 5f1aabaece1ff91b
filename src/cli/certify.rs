//! `metawrk certify`: whether a system has two states at one load.

use std::process::ExitCode;

use super::campaign::{self, CampaignOptions, add_default_dwell};
use super::exit_codes::with_exit_codes;
use crate::lab::certify::CertifyQuestion;

const AFTER_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk certify                                the embedded testbed
  metawrk certify experiments/leak.toml          permanent damage: a time without load does not help
  metawrk certify FILE --rate 200 --outage 5s    another experiment, with this rate and this outage

",
    "\n\n\
Exit codes of the answer, with --exit-code:
  0    NOT STUCK
  10   BISTABLE
  15   PERMANENT
  16   CURED BY A RESTART
  17   INCONCLUSIVE
  20   UNANSWERED"
);

/// The system to certify.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, mut_arg("dwell", add_default_dwell::<CertifyQuestion>))]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    campaign::run(args.campaign, |_| CertifyQuestion {})
}
