use serde::{Deserialize, Serialize};

use crate::units::Instant;

/// One look at one source (a process, a container): a row of `samples.csv`.
///
/// A source that was down gives a row without numbers: a gap, never a zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    #[serde(rename = "at_ns")]
    pub at: Instant,
    /// The component's name in the plan.
    pub source: String,
    /// Bytes that count against the limit: VmData for a process, usage less inactive files for a container.
    pub memory_bytes: Option<u64>,
    /// Resident set, in bytes.
    pub resident_bytes: Option<u64>,
    /// The limit on `memory_bytes`; `None` where there is none.
    pub limit_bytes: Option<u64>,
    pub threads: Option<u32>,
    /// CPU time used so far, in ns.
    pub cpu_ns: Option<u64>,
}
