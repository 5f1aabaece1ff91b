use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{ExperimentPlan, PlannedFault};
use crate::record::digest::Digest;
use crate::record::event::GeneratorStats;
use crate::record::{RunOrigin, Sample};
use crate::threshold::ThresholdResult;
use crate::units::{Instant, Time};
use crate::verdict::goodput::Bin;
use crate::verdict::timeline::{FaultHistory, Timeline};
use crate::verdict::{Verdict, VerdictText};

/// Everything that the report of an experiment shows.
#[derive(Clone, Debug)]
pub struct ReportData {
    /// The experiment's name.
    pub name: String,
    /// Wall time of the start of load, RFC 3339.
    pub started: String,
    /// What made the results.
    pub origin: RunOrigin,
    /// The seed of random arrivals.
    pub seed: u64,
    /// The number of generator threads.
    pub threads: u16,
    /// The planned rate in requests per second, without surges.
    pub rate: f64,
    /// The mean planned rate until the end of arrivals in requests per second, with surges.
    pub planned_rate: f64,
    /// Requests may be sent late by this, by the plan.
    pub slack: Time,
    /// Requests due before this instant belong to the warm-up.
    pub warmup_end: Instant,
    /// No request is due after this instant.
    pub arrivals_end: Instant,
    /// The longest response time that counts as good.
    pub slo: Time,
    /// Start and end of the baseline; `None` if the run has no fault, or no valid baseline.
    pub baseline: Option<(Instant, Instant)>,
    pub faults: Vec<FaultWindow>,
    /// The start of recovery, `None` if the system did not recover.
    pub recovered_at: Option<Instant>,
    pub goodput: Vec<Bin>,
    pub verdict: Verdict,
    /// The verdict in words.
    pub explanation: VerdictText,
    /// The counts and histograms of all records.
    pub digest: Digest,
    pub samples: Vec<Sample>,
    /// The memory for requests in the testbed's compose-post, in bytes. It is less than its limit, which counts all memory.
    pub budget: Option<u64>,
    /// Components that died, restarted or ran out of memory.
    pub incidents: Vec<Incident>,
    /// Warnings of faults, which do not change the verdict: instant and text.
    pub warnings: Vec<(Instant, String)>,
    /// Problems found before the load, with remedies.
    pub problems: Vec<String>,
    pub generator: GeneratorStats,
    /// The results of the plan's thresholds.
    pub thresholds: Vec<ThresholdResult>,
    /// The plan wants kernel timestamps in any case.
    pub requires_timestamps: bool,
    /// The resolved plan for the report's table: name and value as text.
    pub facts: Vec<(String, String)>,
}

/// A component died, restarted or ran out of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub at: Instant,
    /// `db died`: the same for all incidents of a kind.
    pub what: String,
    /// What was observed, such as an exit code. May be empty.
    pub detail: String,
}

impl fmt::Display for Incident {
    /// `db died (exit code 137)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incident { what, detail, .. } = self;
        if detail.is_empty() { write!(f, "{what}") } else { write!(f, "{what} ({detail})") }
    }
}

/// A fault, from the instant at which it took effect until its removal was verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// The fault's name in the plan, such as `pause post-db`.
    pub label: String,
    pub from: Instant,
    /// `None` if the removal was never verified.
    pub to: Option<Instant>,
}

impl FaultWindow {
    /// The windows of the faults that took effect, in the order of the plan.
    pub fn all(plan: &ExperimentPlan, timeline: &Timeline) -> Vec<FaultWindow> {
        let window = |(fault, history): (&PlannedFault, &FaultHistory)| {
            Some(FaultWindow { label: fault.spec.label(), from: history.effective?, to: history.removed })
        };
        plan.faults().iter().zip(&timeline.faults).filter_map(window).collect()
    }
}
