use std::process::ExitCode;

use super::options::{EndOptions, parse_outages};
use crate::cli::campaign::{self, CampaignOptions, add_default_dwell};
use crate::cli::exit_codes::with_exit_codes;
use crate::lab::search::{DEFAULT_MAX_RUNS, OutageSearch};
use crate::units::Time;

const AFTER_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk search outage experiments/retry-storm.toml             at 200 requests/s, the rate of the file
  metawrk search outage experiments/retry-storm.toml --rate 300
  metawrk search outage FILE --between 50ms..10s --precision 1.5  fewer runs

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
#[command(after_help = AFTER_HELP, mut_arg("dwell", add_default_dwell::<OutageSearch>))]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,

    /// The range of outages to search. Default: 20ms..30s, or to the outage of the experiment if that is longer. --outage
    /// only lengthens this default
    #[arg(long, value_name = "T..T", value_parser = parse_outages, help_heading = "Search", conflicts_with = "resume")]
    between: Option<(Time, Time)>,

    #[command(flatten)]
    end: EndOptions,
}

/// An outage holds few requests, so that its effect differs more from run to run than that of a rate.
const PRECISION: f64 = 1.3;

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { campaign, between, end } = args;
    campaign::run(campaign, |resumed| {
        let asked = resumed.unwrap_or(OutageSearch { between, precision: PRECISION, max_runs: DEFAULT_MAX_RUNS });
        OutageSearch {
            precision: end.precision.unwrap_or(asked.precision),
            max_runs: end.max_runs.unwrap_or(asked.max_runs),
            ..asked
        }
    })
}
