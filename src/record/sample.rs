use serde::{Deserialize, Serialize};

use crate::units::Instant;

/// A measurement of one source (a process or a container): a row of `samples.csv`.
///
/// A source that is down gives a row without values, never zeros.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    #[serde(rename = "at_ns")]
    pub at: Instant,
    /// The name of the component in the plan.
    pub source: String,
    /// Memory that counts against the limit, in bytes: VmData of a process, or its resident set if it has no limit; usage
    /// minus inactive files of a container or unit.
    pub memory_bytes: Option<u64>,
    /// The resident set, in bytes.
    pub resident_bytes: Option<u64>,
    /// The limit on `memory_bytes`; `None` if there is no limit.
    pub limit_bytes: Option<u64>,
    /// The number of threads.
    pub threads: Option<u32>,
    /// CPU time used since the start of the source, user and system, in ns.
    pub cpu_ns: Option<u64>,
}
