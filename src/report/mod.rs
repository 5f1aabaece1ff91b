//! What a run has to say: figures, `report.html`, `summary.json`, and of a plain load wrk2's text, its JSON, its
//! percentiles. One file a product.
//!
//! Everything here is a function of recorded data (a [`ReportData`], or what a load left), never of a live thing: drawn
//! again, it is the same to the byte.

pub mod digest;
pub mod figures;
pub mod generator;
pub mod hgrm;
pub mod html;
pub mod load;
pub mod load_json;
pub mod plot;
pub mod story;
pub mod summary;
pub mod warning;
mod write;
pub mod wrk2;

pub use write::{ReportError, write};

use serde::{Deserialize, Serialize};

use crate::record::event::GeneratorStats;
use crate::record::{RequestRecord, Sample};
use crate::verdict::goodput::Bin;
use crate::verdict::{Verdict, VerdictText};

/// All that the products of an experiment show. Instants and spans are ns on the run's clock.
#[derive(Clone, Debug)]
pub struct ReportData {
    pub name: String,
    /// Wall time of the clock's zero, RFC 3339.
    pub started: String,
    /// The generator's threads.
    pub threads: u16,
    /// Planned arrivals per second, but for surges.
    pub rate: f64,
    /// Planned arrivals per second on the mean, to the end of arrivals.
    pub planned_rate: f64,
    /// Requests due before this are warm-up.
    pub warmup: u64,
    /// The end of arrivals.
    pub end: u64,
    /// A response time up to this is good.
    pub slo: u64,
    /// The baseline, from and to, where the plan has a fault.
    pub baseline: Option<(u64, u64)>,
    pub faults: Vec<FaultWindow>,
    /// When the system was back: t1 + tau.
    pub recovered_at: Option<u64>,
    pub goodput: Vec<Bin>,
    pub verdict: Verdict,
    /// The verdict in words.
    pub explanation: VerdictText,
    /// Every attempt, in order of `due`, then `request`, then `attempt`.
    pub requests: Vec<RequestRecord>,
    pub samples: Vec<Sample>,
    /// Deaths, restarts, out of memory: instant and label.
    pub incidents: Vec<(u64, String)>,
    /// What faults left that makes no difference to the verdict, and may to a reader: instant and text.
    pub warnings: Vec<(u64, String)>,
    pub generator: GeneratorStats,
    /// What was planned, for the table in the report: name and value as a person reads them.
    pub facts: Vec<(String, String)>,
}

/// A fault, from the instant it took effect until its removal was verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultWindow {
    pub label: String,
    pub from: u64,
    /// `None` if its removal was never verified.
    pub to: Option<u64>,
}

#[cfg(test)]
mod tests;
