use std::sync::mpsc;

use super::main_script::{DoneArguments, MainScript};
use super::plan::LoadPlan;
use super::thread::worker::{ScriptCall, WorkerResult};
use crate::record::event::GeneratorStats;
use crate::record::{Account, Latencies};
use crate::script::ScriptError;
use crate::units::{Instant, Time};

/// What a load leaves.
pub struct LoadResult {
    pub plan: LoadPlan,
    pub threads: Vec<WorkerResult>,
    pub(crate) script: Option<ScriptHandle>,
}

/// The Lua states after a run: the main one may still ask the others.
pub(crate) struct ScriptHandle {
    pub main: MainScript,
    /// As long as these are there, the threads answer.
    pub _calls: Vec<mpsc::Sender<ScriptCall>>,
}

impl LoadResult {
    /// What threads left whose script wants to know nothing more.
    pub fn new(plan: LoadPlan, threads: Vec<WorkerResult>) -> LoadResult {
        LoadResult { plan, threads, script: None }
    }

    pub fn account(&self) -> Account {
        let mut account = Account::default();
        self.threads.iter().for_each(|thread| account.merge(&thread.account));
        account
    }

    pub fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        self.threads.iter().for_each(|thread| all.merge(&thread.latencies));
        all
    }

    /// Runs the script's `done`, where it has one. Blocks as long as that takes.
    ///
    /// # Errors
    /// [`ScriptError`] where it fails.
    pub fn tell_script(&mut self, told: DoneArguments) -> Result<(), ScriptError> {
        self.script.take().map_or(Ok(()), |script| script.main.done(told))
    }

    /// How long load went on: to the end of arrivals, or to where it was stopped.
    pub fn duration(&self) -> Time {
        self.threads.iter().map(|thread| thread.until.since(Instant::START)).max().unwrap_or_default()
    }

    /// With HTTP/2: the fewest streams that the server took on a connection, where that is fewer than planned.
    pub fn fewest_streams(&self) -> Option<usize> {
        self.threads.iter().map(|thread| thread.fewest_streams).min().filter(|&fewest| fewest < self.plan.streams)
    }

    /// What the script did wrong, if it ended the run.
    pub fn failure(&self) -> Option<&ScriptError> {
        self.threads.iter().find_map(|thread| thread.failure.as_ref())
    }

    /// The generator's account of itself.
    pub fn generator(&self) -> GeneratorStats {
        let sum = |of: fn(&WorkerResult) -> u64| self.threads.iter().map(of).sum();
        GeneratorStats {
            cpu_ns: sum(|thread| thread.cpu.0),
            connections_opened: sum(|thread| thread.opened),
            in_flight_max: sum(|thread| thread.in_flight_max),
            connect_errors: sum(|thread| thread.connect_errors),
            late_warmup: sum(|thread| thread.late_warmup),
            waited: sum(|thread| thread.waited),
            bound_reached: self.threads.iter().any(|thread| thread.bound_reached),
            records_dropped: sum(|thread| thread.dropped),
        }
    }
}
