use serde::{Deserialize, Serialize};

use super::as_ns;
use super::backlog::BacklogSteps;
use super::bins::BinLayout;
use crate::units::{Instant, Time};

/// What a digest counts by: instants and limits that follow from the plan, from the events of the run, and from a first
/// pass over its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Requests that are due earlier are in no latency histogram.
    pub warmup_end: Instant,
    /// No request is due after this instant.
    pub arrivals_end: Instant,
    /// The end of every time axis.
    pub axis_end: Instant,
    /// The number of generator threads.
    pub threads: u16,
    /// The longest response time that counts as good; `None` for a plain load.
    #[serde(rename = "slo_ns", with = "as_ns::optional")]
    pub slo: Option<Time>,
    /// `None` for a plain load, which has no verdict.
    pub judged: Option<JudgedFrame>,
}

/// What the verdict needs besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedFrame {
    /// The planned end of arrivals.
    pub planned_end: Instant,
    /// The requests that the plan makes due in the run.
    pub planned_requests: u64,
    #[serde(rename = "bin_ns", with = "as_ns")]
    pub bin: Time,
    /// The instants that bins are aligned to.
    pub anchors: Vec<Instant>,
    pub baseline: Option<Baseline>,
    /// The window whose failures are counted by cause.
    pub failures: (Instant, Instant),
    /// The steps of the backlog over the baseline.
    pub baseline_backlog: BacklogSteps,
    /// The steps of the backlog over the last window of arrivals.
    pub last_backlog: BacklogSteps,
    /// The largest valid send lag, at the 99th percentile.
    #[serde(rename = "max_send_lag_ns", with = "as_ns")]
    pub max_send_lag: Time,
}

/// The healthy system before the fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub from: Instant,
    /// tc: the fault was commanded. It may kill requests before its effect is seen, so nothing later counts.
    pub to: Instant,
    /// g0: the mean of the bins' goodput.
    pub goodput: f64,
    /// The longest response time of a good answer.
    #[serde(rename = "slo_ns", with = "as_ns")]
    pub slo: Time,
}

const SECOND: u64 = 1_000_000_000;

/// No run has more intervals or bins. A longer list comes from a damaged file.
const MAX_LENGTH: u64 = 1_000_000;

impl Frame {
    /// The width of the intervals of [`super::Intervals`]: 1 s, or more in a run of over an hour. A plain load of up to a
    /// minute has short ones: they are only drawn, and nothing is judged by them. The bins of figures are multiples of it.
    pub fn interval(&self) -> Time {
        match self.axis_end.0 / SECOND {
            ..=60 if self.judged.is_none() => Time::from_millis(100),
            ..=3600 => Time::from_secs(1),
            3601..=18_000 => Time::from_secs(5),
            _ => Time::from_secs(60),
        }
    }

    /// Whether counting by this frame takes a bounded amount of memory. A damaged file may have any numbers.
    pub(super) fn is_plausible(&self) -> bool {
        let judged = self.judged.as_ref().is_none_or(|judged| {
            let steps = |steps: &BacklogSteps| u64::from(steps.count) <= MAX_LENGTH;
            judged.bin > Time::ZERO
                && judged.layout().len_until(self.arrivals_end) <= MAX_LENGTH
                && steps(&judged.baseline_backlog)
                && steps(&judged.last_backlog)
                && judged.baseline.is_none_or(|baseline| baseline.goodput.is_finite())
        });
        self.axis_end.0 / self.interval().0 <= MAX_LENGTH && judged
    }
}

impl JudgedFrame {
    pub fn layout(&self) -> BinLayout {
        BinLayout::new(self.bin, self.anchors.iter().copied())
    }
}
