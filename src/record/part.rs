//! What is known of one of several generators that sent a load together.

use serde::{Deserialize, Serialize};

/// One of the generators of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartStats {
    /// Its number, from 0.
    pub part: u16,
    /// The name of its machine.
    pub node: String,
    /// How far the coordinator's clock was ahead of its clock before the load, in ns. Negative if it was behind.
    pub clock_offset_ns: i64,
    /// The true offset differs from that by at most this.
    pub clock_uncertainty_ns: u64,
    /// How much faster the coordinator's clock ran during the load, in ns per s. `None` if that was not measured.
    pub clock_drift_ns_per_s: Option<f64>,
    /// Requests that were due at it.
    pub scheduled: u64,
    /// Requests that it sent.
    pub sent: u64,
    /// The median of its send lag.
    pub send_lag_p50_ns: u64,
    /// The 99th percentile of its send lag.
    pub send_lag_p99_ns: u64,
    /// Its greatest send lag.
    pub send_lag_max_ns: u64,
    /// CPU time of its threads.
    pub cpu_ns: u64,
    /// Why and when it was lost. `None` if it delivered its results.
    pub lost: Option<String>,
}
