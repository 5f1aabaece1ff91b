//! `metawrk map`: for each rate, how long an outage must be to leave the system stuck.

use std::path::PathBuf;
use std::process::ExitCode;

use super::campaign::{self, CampaignOptions, add_default_dwell};
use super::exit_codes::with_exit_codes;
use super::search::parse_outages;
use crate::lab::map::{DEFAULT_MAX_RUNS, MapQuestion};
use crate::twin::plan::{TwinOverrides, TwinPlan};
use crate::units::{Time, parse_count, parse_number};

const AFTER_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk map                                                    the embedded testbed
  metawrk map experiments/retry-storm.toml --rates 140,200,260,320,360
  metawrk map FILE --rates 100,200 --between 50ms..10s           fewer runs
  metawrk map FILE --twin experiments/twin/retry-storm.toml      with the prediction of a twin

",
    "\n\n\
Exit codes of the answer, with --exit-code:
  0    MAPPED
  17   INCOMPLETE
  20   UNANSWERED"
);

/// The system to map.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, mut_arg("dwell", add_default_dwell::<MapQuestion>))]
pub struct Args {
    #[command(flatten)]
    campaign: CampaignOptions,

    /// The rates of the columns, in requests per second. Default: five, from just above the stable rate, which the first
    /// runs predict, to 1.2 times the experiment's rate, or a little below the capacity if that is known and less
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = parse_number, help_heading = "Map",
          conflicts_with = "resume")]
    rates: Option<Vec<f64>>,

    /// The range of outages to search. Default: 20ms..30s, or to the outage of the experiment if that is longer. With
    /// --rates, --outage only lengthens this default
    #[arg(long, value_name = "T..T", value_parser = parse_outages, help_heading = "Map", conflicts_with = "resume")]
    between: Option<(Time, Time)>,

    /// Twin file (TOML). What this twin predicts is drawn below the map. With --resume, a campaign gets it later
    #[arg(long, value_name = "FILE", help_heading = "Map")]
    twin: Option<PathBuf>,

    /// End after this many runs [default: 50]
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Map")]
    max_runs: Option<usize>,
}

/// Runs the campaign, and prints its answer.
///
/// # Errors
/// As [`campaign::run`], and if the twin file is invalid.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { campaign, rates, between, twin, max_runs } = args;
    let twin = twin.map(|file| TwinPlan::read(&file, &TwinOverrides::default())).transpose()?;
    let twin = twin.map(|twin| Box::new(twin.settings().clone()));
    campaign::run(campaign, |resumed| {
        let asked = resumed.unwrap_or(MapQuestion { rates, between, max_runs: DEFAULT_MAX_RUNS, twin: None });
        MapQuestion { max_runs: max_runs.unwrap_or(asked.max_runs), twin: twin.or(asked.twin), ..asked }
    })
}
