//! One load or several, on one clock: the only place that knows how loads are made.

use std::sync::Arc;

use crate::load::{Control, LiveCounters, LoadError, LoadPlan, LoadResult, Prepared, Running};
use crate::record::Clock;
use crate::record::sink::RecordSenders;
use crate::units::{Instant, Time};

/// Loads that wait for the start.
pub struct Loads(Vec<Prepared>);

/// Loads under way.
pub struct UnderWay {
    clock: Clock,
    running: Vec<Option<Running>>,
    loaded: Vec<Option<LoadResult>>,
    controls: Vec<Control>,
    live: Vec<Arc<LiveCounters>>,
}

impl Loads {
    /// # Errors
    /// The first reason why one of them can't begin.
    pub fn prepare(plans: Vec<LoadPlan>, senders: Option<&RecordSenders>) -> Result<Loads, LoadError> {
        let prepared = plans.into_iter().map(|plan| Prepared::new(plan, senders));
        Ok(Loads(prepared.collect::<Result<_, _>>()?))
    }

    pub fn start(self) -> UnderWay {
        let clock = Clock::starting_in(Time::from_millis(1));
        let running: Vec<Running> = self.0.into_iter().map(|prepared| prepared.start(clock)).collect();
        UnderWay {
            clock,
            loaded: running.iter().map(|_| None).collect(),
            controls: running.iter().map(Running::control).collect(),
            live: running.iter().flat_map(Running::live).collect(),
            running: running.into_iter().map(Some).collect(),
        }
    }
}

impl UnderWay {
    /// Joins those that are done. When a script has ended one of them, the others end too.
    ///
    /// # Errors
    /// Where one didn't end as it should.
    pub fn are_over(&mut self) -> Result<bool, LoadError> {
        for (running, loaded) in self.running.iter_mut().zip(&mut self.loaded) {
            if let Some(running) = running.take_if(|running| running.is_finished()) {
                let left = running.finish()?;
                if left.failure().is_some() {
                    self.controls.iter().for_each(Control::stop);
                }
                *loaded = Some(left);
            }
        }
        Ok(self.running.iter().all(Option::is_none))
    }

    /// All end at once, and account for what they leave.
    pub fn stop(&self) {
        self.controls.iter().for_each(Control::stop);
    }

    /// The run's time, in ns since the start of load.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Attempts sent so far, and those in flight.
    pub fn sent(&self) -> (u64, u64) {
        (self.live.iter().map(|live| live.sent()).sum(), self.live.iter().map(|live| live.in_flight()).sum())
    }

    /// What those left that are over, in the order of their plans.
    pub fn left(self) -> Vec<LoadResult> {
        self.loaded.into_iter().flatten().collect()
    }
}
