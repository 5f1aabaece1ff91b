//! What is shown while a run goes on.
//!
//! Once a second a [`ProgressMeter`] makes one [`Progress`], from the live counters of the generator and from the records
//! that have arrived. All outputs show the same value. Each output is one file: the [line](LineOutput) of a terminal, the
//! [lines](LogOutput) of a log, [JSON](JsonOutput), the [whole screen](TuiOutput) of a
//! terminal, and [Prometheus](PrometheusOutput).

mod event_text;
mod format;
mod interval;
mod json;
mod line;
mod log;
mod meter;
mod prometheus;
mod status_line;
mod tui;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::load::PartsProgress;
use crate::record::ErrorCounts;
use crate::units::{Instant, Time};

pub use interval::{IntervalRecords, ProgressSink};
pub use json::JsonOutput;
pub use line::LineOutput;
pub use log::LogOutput;
pub use meter::{LiveCounts, ProgressMeter, Stage};
pub use prometheus::PrometheusOutput;
pub use status_line::StatusLine;
pub use tui::{TuiOutput, can_use_full_screen};

/// Shows the progress of a run.
pub trait ProgressOutput {
    /// Shows the state of the run. Called once a second.
    fn show(&mut self, progress: &Progress);

    /// Several generators send their records to this process for this output alone.
    fn needs_records(&self) -> bool {
        true
    }
}

/// The state of a run. Rates and response times are those of the last second.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The time since the start of load.
    pub at: Instant,
    /// How long requests are due, at most.
    pub duration: Time,
    pub phase: Phase,
    /// The time until the end of the phase, at most.
    pub left: Time,
    /// Requests due per second.
    pub offered: f64,
    /// Attempts sent per second.
    pub sent: f64,
    /// Attempts in flight.
    pub in_flight: u64,
    /// Connections that are up. `None` with several generators.
    pub connections: Option<u64>,
    /// What the records say. `None` if they do not arrive at this process.
    pub requests: Option<RequestProgress>,
    /// Goodput of the last final bin of an experiment, 0 to 1.
    pub goodput: Option<f64>,
    /// The memory of the first monitored component.
    pub memory: Option<MemoryUse>,
    /// Of several generators.
    pub parts: Option<PartsProgress>,
    /// What happened since the last value.
    pub events: Vec<ProgressEvent>,
}

/// What the records of the last second say.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestProgress {
    /// Requests answered per second, with any status.
    pub answered: f64,
    /// Requests per second that were answered with a status below 400, within the timeout and the SLO.
    pub good: f64,
    /// Percentiles of the response times of requests that ended.
    pub p50: Option<Time>,
    pub p99: Option<Time>,
    /// The 99th percentile of the send lag.
    pub send_lag: Option<Time>,
    /// Failed attempts since the start of load, by kind of error.
    pub errors: ErrorCounts,
    /// The counts and histograms of the last second.
    pub interval: Arc<IntervalRecords>,
}

/// The part of a run that is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    WarmUp,
    Baseline,
    Fault,
    Observation,
    /// All of a load, or of an experiment without a fault.
    Load,
    /// No request is due any more. Those in flight may finish.
    Drain,
    FaultRemoval,
}

impl Phase {
    pub const ALL: [Phase; 7] = [
        Phase::WarmUp,
        Phase::Baseline,
        Phase::Fault,
        Phase::Observation,
        Phase::Load,
        Phase::Drain,
        Phase::FaultRemoval,
    ];

    /// The name in data: `warm-up`, `fault-removal`.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::WarmUp => "warm-up",
            Phase::Baseline => "baseline",
            Phase::Fault => "fault",
            Phase::Observation => "observation",
            Phase::Load => "load",
            Phase::Drain => "drain",
            Phase::FaultRemoval => "fault-removal",
        }
    }
}

impl fmt::Display for Phase {
    /// For people: `removing faults`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::FaultRemoval => "removing faults",
            phase => phase.name(),
        })
    }
}

/// The memory that a component uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    pub source: String,
    pub used_bytes: u64,
    pub limit_bytes: Option<u64>,
}

/// Something that happened, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgressEvent {
    #[serde(rename = "at_ns")]
    pub at: Instant,
    /// A few words.
    pub text: String,
    /// What was observed; may be empty.
    pub detail: String,
}

impl fmt::Display for ProgressEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

#[cfg(test)]
pub(crate) fn example() -> Progress {
    let mut interval = IntervalRecords::default();
    interval.account.errors = ErrorCounts { timeout: 10, status: 2, ..ErrorCounts::default() };
    let requests = RequestProgress {
        answered: 53.0,
        good: 41.2,
        p50: Some(Time::from_millis(12)),
        p99: Some(Time::from_millis(4200)),
        send_lag: Some(Time(31_000)),
        errors: ErrorCounts { timeout: 1010, status: 2, ..ErrorCounts::default() },
        interval: Arc::new(interval),
    };
    let (text, detail) = ("link-cut took effect".to_owned(), "no answer through the link".to_owned());
    Progress {
        at: Instant(17_400_000_000),
        duration: Time::from_secs(120),
        phase: Phase::Fault,
        left: Time::from_millis(17_600),
        offered: 300.0,
        sent: 299.4,
        in_flight: 612,
        connections: Some(100),
        requests: Some(requests),
        goodput: Some(0.125),
        memory: Some(MemoryUse { source: "post-db".into(), used_bytes: 130 << 20, limit_bytes: Some(140 << 20) }),
        parts: None,
        events: vec![ProgressEvent { at: Instant(16_900_000_000), text, detail }],
    }
}
