//! A verdict and the evidence for it.

use super::bins::{Bin, whole_bins};
use super::failures::Failures;
use super::goodput::Baseline;
use super::recovery::Recovery;
use super::timeline::Timeline;
use super::trend::Trend;
use crate::plan::VerdictWindows;
use crate::units::{Instant, Time};

/// What a run showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The run proves nothing. The reasons are never empty.
    Invalid(Vec<InvalidReason>),
    Stable,
    Overloaded,
    Unaffected,
    Recovered(Recovery),
    Oscillating {
        swings: usize,
    },
    /// The backlog shrinks by `per_second` requests per second and would be empty at `empty_at`.
    Draining {
        per_second: f64,
        empty_at: Instant,
    },
    Metastable,
    Degraded,
}

/// Why a run is invalid.
#[derive(Clone, Debug, PartialEq)]
pub enum InvalidReason {
    /// A signal stopped the run.
    Interrupted,
    /// A condition of a threshold ended the run.
    Aborted(String),
    /// The run has no end event: it was killed.
    Killed,
    /// A component or the script failed.
    Failed(String),
    /// The run recorded `recorded` attempts, and `found` of them are there.
    IncompleteRecords { recorded: u64, found: u64 },
    /// Goodput before the fault was below 0.99.
    UnhealthyBaseline(f64),
    /// The backlog grew before the fault.
    OverloadedBaseline,
    /// The load between the warm-up and the fault was shorter than the shortest baseline.
    ShortBaseline,
    /// The run ended before the fault, because its baseline looked invalid then, for this reason. What was recorded in
    /// all does not show it.
    BaselineRefused(String),
    /// The generator's process stood still for this long, up to this instant.
    Stalled(Instant, Time),
    /// The generator's threads were ready to run and had no core, for this share of the run.
    NoCore(f64),
    /// The 99th percentile of the send lag was above 10 ms.
    SendLag(Time),
    /// Of the `due` requests, the generator left `unsent` unsent although they could be sent, and `missing` have no
    /// record. The record writer dropped `dropped` records.
    MissingRequests { due: u64, missing: u64, unsent: u64, dropped: u64 },
    /// The fault's place in the plan, and the detail of its last failed step.
    NeverEffective(usize, Option<String>),
    /// The fault's place in the plan, and the detail of its last failed step.
    RemovalUnverified(usize, Option<String>),
    /// Components that were dead at the end.
    DeadComponents(Vec<String>),
    /// After the fault the load lasted for `observed`, and `needed` is the minimum.
    ShortObservation { observed: Time, needed: Time },
}

impl Verdict {
    /// The verdict in one word, such as `RECOVERED`; `INVALID` without its reason.
    pub fn kind(&self) -> &'static str {
        match self {
            Verdict::Invalid(_) => "INVALID",
            Verdict::Stable => "STABLE",
            Verdict::Overloaded => "OVERLOADED",
            Verdict::Unaffected => "UNAFFECTED",
            Verdict::Recovered(_) => "RECOVERED",
            Verdict::Oscillating { .. } => "OSCILLATING",
            Verdict::Draining { .. } => "DRAINING",
            Verdict::Metastable => "METASTABLE",
            Verdict::Degraded => "DEGRADED",
        }
    }

    /// The exit code of the program with `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Verdict::Stable | Verdict::Unaffected | Verdict::Recovered(_) => 0,
            Verdict::Metastable => 10,
            Verdict::Draining { .. } => 11,
            Verdict::Degraded => 12,
            Verdict::Oscillating { .. } => 13,
            Verdict::Overloaded => 14,
            Verdict::Invalid(_) => 20,
        }
    }
}

/// A verdict, and the evidence for it.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    pub evidence: Evidence,
}

/// What the rules decide by.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub timeline: Timeline,
    pub baseline: Option<Baseline>,
    /// The requests that were not good in the baseline; without one, in the whole load after the warm-up.
    pub failures: Failures,
    /// The longest response time of a good answer.
    pub slo: Time,
    pub warmup_end: Instant,
    /// The end of arrivals: the planned one, or an earlier one.
    pub end: Instant,
    /// The goodput of the whole run.
    pub bins: Vec<Bin>,
    /// The median goodput of the last window of arrivals.
    pub last_goodput: Option<f64>,
    /// The backlog over the last window of arrivals: seconds on the run's clock, and requests.
    pub backlog: Vec<(f64, f64)>,
    /// The trend of `backlog`, in requests per second.
    pub backlog_trend: Option<Trend>,
}

impl Evidence {
    /// Requests due and not ended at the end of arrivals.
    pub fn backlog_at_end(&self) -> f64 {
        self.backlog.last().map_or(0.0, |&(_, backlog)| backlog)
    }

    /// How long the load went on after the fault; zero without a fault.
    pub fn observed(&self) -> Time {
        self.timeline.t1().map_or(Time::ZERO, |t1| self.end.since(t1))
    }

    /// The whole bins of the last window of arrivals: 30 s, or less if the load was shorter. The warm-up does not count.
    pub fn last_bins(&self, windows: VerdictWindows) -> &[Bin] {
        let whole = whole_bins(&self.bins, windows);
        let count = windows.last.0.div_ceil(windows.bin.0) as usize;
        let warmup = whole.partition_point(|bin| bin.from < self.warmup_end);
        &whole[warmup.max(whole.len().saturating_sub(count))..]
    }

    /// The length of the last window of arrivals.
    pub fn last_window(&self, windows: VerdictWindows) -> Time {
        self.last_bins(windows).iter().fold(Time::ZERO, |sum, bin| sum.plus(bin.span()))
    }
}
