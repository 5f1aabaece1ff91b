//! What happened to the run besides its requests: `events.jsonl`, a line an event, in order of time.

use serde::{Deserialize, Serialize};

use crate::units::Instant;

/// Something that happened at an instant of the run's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(rename = "at_ns")]
    pub at: Instant,
    #[serde(flatten)]
    pub what: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// Load began.
    Started {
        /// Wall time of the clock's zero, RFC 3339.
        wall: String,
        /// The program's version.
        version: String,
    },
    /// A step in the life of fault number `fault` (its place in the plan's list, from 0).
    Fault {
        fault: usize,
        kind: String,
        step: FaultStep,
        detail: String,
        /// What is no failure, and yet worth knowing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// A component of the system under test changed: it died, restarted, ran out of memory.
    Component { component: String, state: ComponentState, detail: String },
    /// What the generator says of itself at the end.
    Generator(GeneratorStats),
    /// The run is over.
    Ended { how: RunEnd, detail: String },
}

/// The steps of a fault. `Effective` and `RemovalVerified` were observed, not assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultStep {
    Commanded,
    Effective,
    RemovalCommanded,
    RemovalVerified,
    /// It could not be applied, removed or verified; the detail says which and why.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    Died,
    OutOfMemory,
    Restarted,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// The plan ran to its end, or to the point where nothing more could be learned.
    Complete,
    /// Somebody stopped it (SIGINT, SIGTERM).
    Interrupted,
    /// Something broke; the detail says what.
    Failed,
}

/// The generator's account of itself, for judging whether its numbers hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorStats {
    /// CPU time of the generator's threads, user and system, in ns.
    pub cpu_ns: u64,
    /// Connections opened over the run, reconnections included.
    pub connections_opened: u64,
    /// The most that were in flight at once, over all threads' own maxima.
    pub in_flight_max: u64,
    /// Connections that could not be made.
    pub connect_errors: u64,
    /// Whether `max-connections` (or `connections`) ever made a due request wait.
    pub bound_reached: bool,
    /// Requests that were due, and had to wait for a connection.
    #[serde(default)]
    pub waited: u64,
    /// Requests due within the warm-up that were still open at its end: the system was behind before anything was measured.
    #[serde(default)]
    pub late_warmup: u64,
    /// Records that the writer could not take; histograms hold them all the same.
    pub records_dropped: u64,
}

impl GeneratorStats {
    /// Adds what a generator beside it says of itself.
    pub fn merge(&mut self, other: &GeneratorStats) {
        self.cpu_ns += other.cpu_ns;
        self.connections_opened += other.connections_opened;
        self.in_flight_max += other.in_flight_max;
        self.connect_errors += other.connect_errors;
        self.bound_reached |= other.bound_reached;
        self.waited += other.waited;
        self.late_warmup += other.late_warmup;
        self.records_dropped += other.records_dropped;
    }
}
