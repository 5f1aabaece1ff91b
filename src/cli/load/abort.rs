//! `--abort-if`: ends loads when a condition holds.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::load::LoadPlan;
use crate::record::sink::RecordSink;
use crate::record::{Abort, RequestRecord};
use crate::threshold::{AbortCondition, AbortWatch, WatchedLoad};
use crate::units::{Instant, Time};

/// Checks the conditions once per second.
pub struct AbortMonitor {
    watch: Arc<Mutex<AbortWatch>>,
    next_check: Instant,
    aborted: Option<Abort>,
}

/// Gives every record to the conditions.
pub struct AbortSink(Arc<Mutex<AbortWatch>>);

const INTERVAL: Time = Time::from_secs(1);

impl AbortMonitor {
    /// The monitor of loads with these plans, and the sink that needs all their records.
    pub fn new(conditions: Vec<AbortCondition>, plans: &[LoadPlan]) -> (AbortMonitor, AbortSink) {
        let watch = AbortWatch::new(conditions, watched_load(plans));
        let watch = Arc::new(Mutex::new(watch));
        let sink = AbortSink(Arc::clone(&watch));
        (AbortMonitor { watch, next_check: Instant::START.plus(INTERVAL), aborted: None }, sink)
    }

    /// Whether a condition holds now for the first time.
    pub fn holds(&mut self, now: Instant) -> bool {
        if self.aborted.is_some() || now < self.next_check {
            return false;
        }
        self.next_check = now.plus(INTERVAL);
        self.aborted = lock(&self.watch).check(now);
        self.aborted.is_some()
    }

    /// What ended the loads, if a condition did.
    pub fn into_aborted(self) -> Option<Abort> {
        self.aborted
    }
}

fn watched_load(plans: &[LoadPlan]) -> WatchedLoad {
    WatchedLoad {
        arrivals: plans.iter().flat_map(|plan| (0..plan.threads).map(|thread| plan.schedule(thread))).collect(),
        arrivals_end: plans.iter().map(|plan| Instant::START.plus(plan.duration)).max().unwrap_or(Instant::START),
        timeout: plans.iter().map(|plan| plan.timeout).min().unwrap_or(Time::ZERO),
        slo: plans.iter().find_map(|plan| plan.slo),
    }
}

fn lock(watch: &Mutex<AbortWatch>) -> MutexGuard<'_, AbortWatch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordSink for AbortSink {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let mut watch = lock(&self.0);
        batch.iter().for_each(|record| watch.add(record));
        Ok(())
    }

    fn needs_unsent(&self) -> bool {
        false
    }
}
