//! Options that change an experiment for one run. `experiment`, `check` and the campaigns share them.

use std::path::PathBuf;

use crate::arrivals::Profile;
use crate::plan::config::Overrides;
use crate::threshold::{AbortCondition, Condition, Thresholds};
use crate::units::{Time, parse_count, parse_number};

/// Options of a single run that replace settings of the experiment file.
#[derive(clap::Args)]
#[command(next_help_heading = "Options that replace settings of the experiment file")]
pub struct ExperimentOptions {
    #[command(flatten)]
    variant: VariantOptions,

    /// URL of the load, for an experiment on a running system
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// How the rate changes, such as 100..1000@1m (a ramp) or 100@30s,300@10s,100 (steps)
    #[arg(long, value_name = "PROFILE", conflicts_with = "rate")]
    profile: Option<Profile>,

    /// The longest response time of a good answer. Without it, the SLO follows from the baseline
    #[arg(long, value_name = "T")]
    slo: Option<Time>,

    /// Total duration of the load
    #[arg(long, value_name = "T")]
    duration: Option<Time>,

    /// Exit with code 4 if this holds at the end: p99>50ms, errors>1%, goodput<99%. Can be repeated
    #[arg(long, value_name = "CONDITION", help_heading = "Thresholds")]
    fail_if: Vec<Condition>,

    /// End the load and exit with code 4 if this holds over the last 10s, or over the time after the @:
    /// errors>50%@5s. Can be repeated
    #[arg(long, value_name = "CONDITION", help_heading = "Thresholds")]
    abort_if: Vec<AbortCondition>,
}

/// Options that replace settings of the experiment file. Campaigns have them too.
#[derive(clap::Args)]
#[command(next_help_heading = "Options that replace settings of the experiment file")]
pub struct VariantOptions {
    /// Request rate, in requests per second
    #[arg(long, value_name = "N", value_parser = parse_number)]
    rate: Option<f64>,

    /// Duration of each fault that has one (a restart has none). 0s removes all faults from the experiment
    #[arg(long, value_name = "T")]
    outage: Option<Time>,

    /// Number of connections that are open at the start
    #[arg(long, value_name = "N", value_parser = parse_count)]
    connections: Option<usize>,

    /// Seed of the random arrivals
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Name of the experiment. The name of the results folder starts with it
    #[arg(long)]
    name: Option<String>,

    /// Folder in which the results folder is created
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    out: PathBuf,
}

impl ExperimentOptions {
    /// The settings that are replaced, and the folder for results.
    pub fn resolve(self) -> (Overrides, PathBuf) {
        let (overrides, out) = self.variant.resolve();
        let thresholds = Thresholds { fail_if: self.fail_if, abort_if: self.abort_if };
        let ExperimentOptions { url, profile, slo, duration, .. } = self;
        (Overrides { url, profile, slo, duration, thresholds, ..overrides }, out)
    }
}

impl VariantOptions {
    /// The settings that are replaced, and the folder for results.
    pub fn resolve(self) -> (Overrides, PathBuf) {
        let VariantOptions { rate, outage, connections, seed, name, out } = self;
        (Overrides { name, rate, connections, seed, outage, ..Overrides::default() }, out)
    }
}
