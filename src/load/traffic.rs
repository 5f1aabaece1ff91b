use std::iter::Peekable;
use std::sync::Arc;

use super::LiveCounters;
use super::plan::LoadPlan;
use crate::arrivals::Arrivals;
use crate::units::Instant;

/// What a load's plan has due, and what it really sent, counted as time goes on.
pub struct Traffic {
    threads: Vec<Arc<LiveCounters>>,
    arrivals: Vec<Peekable<Arrivals>>,
    due: u64,
}

impl Traffic {
    pub fn new(plan: &LoadPlan, threads: Vec<Arc<LiveCounters>>) -> Traffic {
        let arrivals = (0..plan.threads).map(|thread| plan.schedule(thread).peekable()).collect();
        Traffic { threads, arrivals, due: 0 }
    }

    /// Requests that were due before `end`, which may only grow.
    pub fn due(&mut self, end: Instant) -> u64 {
        for thread in &mut self.arrivals {
            while thread.next_if(|arrival| arrival.due < end).is_some() {
                self.due += 1;
            }
        }
        self.due
    }

    /// Requests that a connection has taken on so far; further attempts are not counted again.
    pub fn sent(&self) -> u64 {
        self.threads.iter().map(|thread| thread.requests()).sum()
    }
}
