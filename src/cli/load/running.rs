//! One load or several loads on one clock.

use std::sync::Arc;

use crate::load::{LiveCounters, LoadControl, LoadError, LoadPlan, LoadResult, PreparedLoad, RunningLoad};
use crate::record::Clock;
use crate::record::sink::RecordSenders;
use crate::units::{Instant, Time};

/// Loads that are ready to start.
pub struct PreparedLoads(Vec<PreparedLoad>);

/// Loads that run on a common clock.
pub struct RunningLoads {
    clock: Clock,
    /// `None` once the load has ended.
    running: Vec<Option<RunningLoad>>,
    results: Vec<Option<LoadResult>>,
    controls: Vec<LoadControl>,
    live: Vec<Arc<LiveCounters>>,
}

impl PreparedLoads {
    /// # Errors
    /// The error of the first load that cannot start.
    pub fn prepare(plans: Vec<LoadPlan>, senders: Option<&RecordSenders>) -> Result<PreparedLoads, LoadError> {
        let prepared = plans.into_iter().map(|plan| PreparedLoad::new(plan, senders));
        Ok(PreparedLoads(prepared.collect::<Result<_, _>>()?))
    }

    pub fn start(self) -> RunningLoads {
        let clock = Clock::starting_in(Time::from_millis(1));
        let running: Vec<RunningLoad> = self.0.into_iter().map(|prepared| prepared.start(clock)).collect();
        RunningLoads {
            clock,
            results: running.iter().map(|_| None).collect(),
            controls: running.iter().map(RunningLoad::control).collect(),
            live: running.iter().flat_map(RunningLoad::live).collect(),
            running: running.into_iter().map(Some).collect(),
        }
    }
}

impl RunningLoads {
    /// Collects the results of loads that have ended, and returns whether all have. If a script fails, all loads stop.
    ///
    /// # Errors
    /// If a load did not end normally.
    pub fn poll_finished(&mut self) -> Result<bool, LoadError> {
        for (running, result) in self.running.iter_mut().zip(&mut self.results) {
            if let Some(running) = running.take_if(|running| running.is_finished()) {
                let finished = running.finish()?;
                if finished.failure().is_some() {
                    self.controls.iter().for_each(LoadControl::stop);
                }
                *result = Some(finished);
            }
        }
        Ok(self.running.iter().all(Option::is_none))
    }

    /// Ends all loads at once. Their results account for requests that are still in flight.
    pub fn stop(&self) {
        self.controls.iter().for_each(LoadControl::stop);
    }

    /// Ends all loads at once: see [`LoadControl::hurry`].
    pub fn hurry(&self) {
        self.controls.iter().for_each(LoadControl::hurry);
    }

    /// The current instant on the clock of the loads.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Number of attempts sent so far, and number of attempts in flight.
    pub fn sent(&self) -> (u64, u64) {
        (self.live.iter().map(|live| live.sent()).sum(), self.live.iter().map(|live| live.in_flight()).sum())
    }

    /// The results of the loads that have ended, in the order of their plans.
    pub fn into_results(self) -> Vec<LoadResult> {
        self.results.into_iter().flatten().collect()
    }
}
