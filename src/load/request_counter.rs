use std::iter::Peekable;
use std::sync::Arc;

use super::LiveCounters;
use super::plan::LoadPlan;
use crate::arrivals::Arrivals;
use crate::units::Instant;

/// Counts the requests of a load while it runs: those that are due, and those that are sent.
pub struct RequestCounter {
    threads: Vec<Arc<LiveCounters>>,
    arrivals: Vec<Peekable<Arrivals>>,
    due: u64,
}

impl RequestCounter {
    /// The counter of a load with `plan`, from the live counters of its threads.
    pub fn new(plan: &LoadPlan, threads: Vec<Arc<LiveCounters>>) -> RequestCounter {
        let arrivals = (0..plan.threads).map(|thread| plan.schedule(thread).peekable()).collect();
        RequestCounter { threads, arrivals, due: 0 }
    }

    /// The number of requests that were due before `end`. Calls must not go back in time.
    pub fn due(&mut self, end: Instant) -> u64 {
        for thread in &mut self.arrivals {
            while thread.next_if(|arrival| arrival.due < end).is_some() {
                self.due += 1;
            }
        }
        self.due
    }

    /// The number of requests that were assigned to a connection so far. Retries are not counted.
    pub fn sent(&self) -> u64 {
        self.threads.iter().map(|thread| thread.requests()).sum()
    }
}
