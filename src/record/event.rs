//! The events of a run: `events.jsonl`, one line per event.

use serde::{Deserialize, Serialize};

use super::{ErrorCauses, PartStats, RunOrigin};
use crate::units::Instant;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[doc(hidden)] // Of experiments.
pub struct Event {
    #[serde(rename = "at_ns")]
    pub at: Instant,
    #[serde(flatten)]
    pub what: EventKind,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[doc(hidden)] // Of experiments.
pub enum EventKind {
    /// The load began.
    Started {
        /// The wall-clock time of the start of load, RFC 3339.
        wall: String,
        #[serde(flatten)]
        origin: RunOrigin,
    },
    /// A step of the fault with the number `fault` in the plan, from 0.
    Fault {
        fault: usize,
        kind: String,
        step: FaultStep,
        detail: String,
        /// Problems that are not failures.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// The baseline was judged, right before the first fault.
    Baseline {
        /// Whether a run with this baseline can be valid.
        valid: bool,
        /// Why not.
        detail: String,
    },
    /// A problem that was found before the load. The run may show less than it should.
    Warning { text: String },
    /// The process of the run did not run for this long, before the instant of the event: it was stopped, or had no CPU.
    Stall { lasted_ns: u64 },
    /// A component of the system under test died, restarted or ran out of memory.
    Component { component: String, state: ComponentState, detail: String },
    /// The statistics of the generator, at the end of the load.
    Generator(GeneratorStats),
    /// All attempts of the run are in `requests.parquet`, or in `requests.rows` until that is written.
    Recorded {
        /// The number of rows.
        rows: u64,
    },
    /// The run ended.
    Ended {
        how: RunEnd,
        detail: String,
        /// The condition that ended it early, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abort: Option<Abort>,
    },
}

/// The steps of a fault. The run observes `Effective` and `RemovalVerified`; it does not assume them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[doc(hidden)] // Of experiments.
pub enum FaultStep {
    Commanded,
    Effective,
    RemovalCommanded,
    RemovalVerified,
    /// The fault could not be applied, removed or verified. The detail of the event says which and why.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[doc(hidden)] // Of experiments.
pub enum ComponentState {
    Died,
    OutOfMemory,
    Restarted,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// The plan ran to its end, or to the point at which its verdict was certain.
    Complete,
    /// A signal (SIGINT, SIGTERM, SIGHUP) stopped it.
    Interrupted,
    /// An error stopped it. The detail of the event says which.
    Failed,
    /// A condition of the user stopped it.
    Aborted,
}

/// A condition held, and the run ended because of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// The condition, such as `errors>50%@5s`.
    pub condition: String,
    /// When it held.
    #[serde(rename = "at_ns")]
    pub at: Instant,
    /// The value of its metric, in the unit of the limit: ns, percent, or a number.
    pub value: f64,
}

/// Statistics of the generator itself, which show whether its results are valid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorStats {
    /// CPU time of the generator's threads, user and system, in ns.
    pub cpu_ns: u64,
    /// How long the generator's threads were ready to run and had no core, in ns. `None` if the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_wait_ns: Option<u64>,
    /// Attempts to open a connection during the run, including reconnections.
    pub connections_opened: u64,
    /// Connections that came up.
    #[serde(default)]
    pub connections_established: u64,
    /// Connections that came up, and that the server ended before they carried an answer.
    #[serde(default)]
    pub connections_unused: u64,
    /// Connections that the plan keeps open; 0 with `open`, which opens them on demand.
    #[serde(default)]
    pub connections_planned: u64,
    /// How many of these never came up.
    #[serde(default)]
    pub connections_never_up: u64,
    /// How many connections were up, on average over the run.
    #[serde(default)]
    pub connections_up_mean: f64,
    /// The sum over all threads of the most attempts in flight at once.
    pub in_flight_max: u64,
    /// Connections that could not be made.
    pub connect_errors: u64,
    /// Why connections could not be made, and why attempts failed.
    #[serde(default, skip_serializing_if = "ErrorCauses::is_empty")]
    pub causes: ErrorCauses,
    /// How often a request was sent again because the server did not process it. This is not an error.
    #[serde(default)]
    pub sent_again: u64,
    /// Whether a due request ever waited because of `max-connections` or `connections`.
    pub bound_reached: bool,
    /// Due requests that waited: for a connection, or because of the limit on catching up.
    #[serde(default)]
    pub waited: u64,
    /// Due requests that waited because of the limit on catching up.
    #[serde(default)]
    pub held_back: u64,
    /// Requests that were never sent because of the script: its `delay` put them off, or it did not return.
    #[serde(default)]
    pub script_unsent: u64,
    /// Requests due in the warm-up that were not ended at its end. If there are many, the system was overloaded before
    /// the measurement began.
    #[serde(default)]
    pub late_warmup: u64,
    /// Answered attempts that ended with a kernel timestamp.
    #[serde(default)]
    pub timestamps: u64,
    /// Answered attempts that ended when they were read, although kernel timestamps are in use.
    #[serde(default)]
    pub timestamps_missing: u64,
    /// Records that the recorder dropped because it was too slow. The histograms contain them.
    pub records_dropped: u64,
    /// Each of several generators of an experiment. Empty if there was only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartStats>,
}

impl GeneratorStats {
    /// Adds the statistics of another generator.
    pub fn merge(&mut self, other: &GeneratorStats) {
        self.cpu_ns += other.cpu_ns;
        self.core_wait_ns = [self.core_wait_ns, other.core_wait_ns].into_iter().flatten().reduce(|a, b| a + b);
        self.connections_opened += other.connections_opened;
        self.connections_established += other.connections_established;
        self.connections_unused += other.connections_unused;
        self.connections_planned += other.connections_planned;
        self.connections_never_up += other.connections_never_up;
        self.connections_up_mean += other.connections_up_mean;
        self.in_flight_max += other.in_flight_max;
        self.connect_errors += other.connect_errors;
        self.causes.merge(&other.causes);
        self.sent_again += other.sent_again;
        self.bound_reached |= other.bound_reached;
        self.waited += other.waited;
        self.held_back += other.held_back;
        self.script_unsent += other.script_unsent;
        self.late_warmup += other.late_warmup;
        self.timestamps += other.timestamps;
        self.timestamps_missing += other.timestamps_missing;
        self.records_dropped += other.records_dropped;
        self.parts.extend(other.parts.iter().cloned());
    }

    /// How many generators sent the load.
    pub fn generators(&self) -> usize {
        self.parts.len().max(1)
    }
}
