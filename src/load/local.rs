//! Loads of this process: one for each plan, on one clock.

use std::sync::Arc;

use super::generator::{ActiveLoad, Generator, GeneratorResult, PartsProgress, ReadyLoad};
use super::main_script::WorkerScript;
use super::run::{LoadControl, LoadedLoad, PreparedLoad, RunningLoad};
use super::{LiveCounters, LoadError, LoadPlan, LoadResult};
use crate::record::Clock;
use crate::record::sink::RecordSenders;
use crate::units::Time;

/// Generates loads in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalGenerator;

/// Loads whose scripts can be set up.
pub struct LoadedLoads(Vec<LoadedLoad>);

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

/// Within this time after the end of a request its record arrives at the sinks: workers send records every 100 ms.
pub(super) const RECORD_DELAY: Time = Time::from_millis(300);

impl Generator for LocalGenerator {
    fn parts(&self) -> Option<u16> {
        None
    }

    fn prepare(
        &self,
        plans: Vec<LoadPlan>,
        senders: Option<&RecordSenders>,
        _is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Box<dyn ReadyLoad>, LoadError> {
        let prepared = plans.into_iter().map(|plan| PreparedLoad::new(plan, senders));
        Ok(Box::new(PreparedLoads(prepared.collect::<Result<_, _>>()?)))
    }
}

impl LoadedLoads {
    /// Starts the workers of each plan.
    ///
    /// # Errors
    /// The error of the first load whose target cannot be reached, or whose script does not load.
    pub fn new(plans: Vec<LoadPlan>, senders: Option<&RecordSenders>) -> Result<LoadedLoads, LoadError> {
        let loaded = plans.into_iter().map(|plan| LoadedLoad::new(plan, senders));
        Ok(LoadedLoads(loaded.collect::<Result<_, _>>()?))
    }

    /// The loads, in the order of the plans.
    pub fn loads(&self) -> &[LoadedLoad] {
        &self.0
    }

    /// The scripts of the workers of each load.
    pub fn scripts(&self) -> Vec<Vec<WorkerScript>> {
        self.0.iter().map(LoadedLoad::scripts).collect()
    }

    /// # Errors
    /// The error of the first load that cannot start.
    pub fn prepare(self) -> Result<PreparedLoads, LoadError> {
        Ok(PreparedLoads(self.0.into_iter().map(LoadedLoad::prepare).collect::<Result<_, _>>()?))
    }
}

impl PreparedLoads {
    /// Starts the loads at the zero of `clock`.
    pub fn start_at(self, clock: Clock) -> RunningLoads {
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

impl ReadyLoad for PreparedLoads {
    fn start(self: Box<Self>, lead: Time) -> Result<Box<dyn ActiveLoad>, LoadError> {
        Ok(Box::new(self.start_at(Clock::starting_in(lead))))
    }
}

impl ActiveLoad for RunningLoads {
    fn clock(&self) -> Clock {
        self.clock
    }

    fn poll_finished(&mut self) -> Result<bool, LoadError> {
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

    fn end_arrivals(&self) {
        self.controls.iter().for_each(LoadControl::end_arrivals);
    }

    fn stop(&self) {
        self.controls.iter().for_each(LoadControl::stop);
    }

    fn hurry(&self) {
        self.controls.iter().for_each(LoadControl::hurry);
    }

    fn live(&self) -> Vec<Arc<LiveCounters>> {
        self.live.clone()
    }

    fn record_delay(&self) -> Time {
        RECORD_DELAY
    }

    fn parts_progress(&self) -> Option<PartsProgress> {
        None
    }

    fn finish(self: Box<Self>) -> Result<GeneratorResult, LoadError> {
        let mut loads = Vec::with_capacity(self.results.len());
        for (running, result) in self.running.into_iter().zip(self.results) {
            loads.push(match (running, result) {
                (Some(running), _) => running.finish()?,
                (None, Some(result)) => result,
                (None, None) => return Err(LoadError::Died),
            });
        }
        Ok(GeneratorResult { loads, parts: Vec::new(), lost: None })
    }
}
