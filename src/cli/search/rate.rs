use std::process::ExitCode;

use super::options::{EndOptions, parse_rates};
use crate::cli::campaign::{self, CampaignOptions, add_default_dwell};
use crate::cli::exit_codes::with_exit_codes;
use crate::lab::search::{DEFAULT_MAX_RUNS, RateSearch};

const AFTER_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk search rate                                            the embedded testbed
  metawrk search rate experiments/retry-storm.toml --between 200..800
  metawrk search rate FILE --precision 1.05                      more runs

",
    "\n\n\
Exit codes of the answer, with --exit-code:
  0    FOUND
  14   OVERLOADED
  15   PERMANENT
  17   IMPRECISE
  19   ABOVE THE RANGE, or BELOW THE RANGE
  20   UNANSWERED"
);

/// The system to search.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, mut_arg("dwell", add_default_dwell::<RateSearch>))]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,

    /// The range of rates to search, in requests per second. Default: a quarter of the experiment's rate to eight times it
    #[arg(long, value_name = "N..N", value_parser = parse_rates, help_heading = "Search", conflicts_with = "resume")]
    between: Option<(f64, f64)>,

    #[command(flatten)]
    end: EndOptions,
}

const PRECISION: f64 = 1.1;

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { campaign, between, end } = args;
    campaign::run(campaign, |resumed| {
        let asked = resumed.unwrap_or(RateSearch { between, precision: PRECISION, max_runs: DEFAULT_MAX_RUNS });
        RateSearch {
            precision: end.precision.unwrap_or(asked.precision),
            max_runs: end.max_runs.unwrap_or(asked.max_runs),
            ..asked
        }
    })
}
