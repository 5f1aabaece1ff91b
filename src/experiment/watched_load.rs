use crate::load::LoadPlan;
use crate::threshold::WatchedLoad;
use crate::units::{Instant, Time};

/// What the conditions that end a run know of its load.
pub fn watched_load(load: &LoadPlan, slo: Option<Time>) -> WatchedLoad {
    WatchedLoad {
        arrivals: (0..load.threads).map(|thread| load.schedule(thread)).collect(),
        arrivals_end: Instant::START.plus(load.duration),
        timeout: load.timeout,
        slo,
    }
}
