//! `metawrk certify`: whether a system has two states at one load.

use std::process::ExitCode;

use super::campaign::{self, CampaignOptions};
use super::exit_codes::with_exit_codes;
use crate::lab::certify::CertifyQuestion;

const EXIT_CODES: &str = with_exit_codes!(
    "",
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
#[command(after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    campaign::run(args.campaign, CertifyQuestion {})
}
