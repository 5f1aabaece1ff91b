use std::process::ExitCode;

use crate::cli::campaign::{self, CampaignOptions, add_default_dwell};
use crate::cli::exit_codes::with_exit_codes;
use crate::lab::stable::StableQuestion;
use crate::lab::stable::prediction::Method;

const AFTER_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk search stable                                   the embedded testbed
  metawrk search stable experiments/retry-storm.toml --verify-advice
  metawrk search stable FILE --method sweeps --verify 0   a prediction that is not verified

",
    "\n\n\
Exit codes of the answer, with --exit-code:
  0    VERIFIED, or PREDICTED with --verify 0
  17   NOT VERIFIED, or INCONCLUSIVE
  18   NOT STUCK
  20   UNANSWERED"
);

/// As many runs on each side verify a prediction.
const VERIFY: u64 = 5;

/// The system to search.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, mut_arg("dwell", add_default_dwell::<StableQuestion>))]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,

    /// How the stable rate is predicted. Default: the first method that applies
    #[arg(long, value_name = "METHOD", help_heading = "Search", conflicts_with = "resume")]
    method: Option<Method>,

    /// Number of runs that verify the prediction on each side: at least 3, or 0 to not verify it [default: 5]
    #[arg(long, value_name = "N", value_parser = parse_verify, help_heading = "Search")]
    verify: Option<u64>,

    /// Test the advice: shed as much load as it says, and check whether the system recovers
    #[arg(long, help_heading = "Search")]
    verify_advice: bool,
}

/// Fewer than 3 runs prove nothing, even if all of them agree: Wilson's 90 % interval of 2 of 2 begins at 42 %.
fn parse_verify(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(runs @ (0 | 3..=100)) => Ok(runs),
        _ => Err("write 0, or a number from 3 to 100".to_owned()),
    }
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { campaign, method, verify, verify_advice } = args;
    campaign::run(campaign, |resumed| {
        let asked = resumed.unwrap_or(StableQuestion { method, verify: VERIFY, verify_advice });
        StableQuestion {
            verify: verify.unwrap_or(asked.verify),
            verify_advice: asked.verify_advice || verify_advice,
            ..asked
        }
    })
}
