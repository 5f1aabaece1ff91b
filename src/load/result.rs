use std::any::Any;

use super::main_script::{DoneArguments, MainScript};
use super::plan::LoadPlan;
use super::thread::result::WorkerResult;
use crate::record::event::GeneratorStats;
use crate::record::{Account, ErrorCauses, Latencies};
use crate::script::ScriptError;
use crate::units::{Instant, Time};

/// What a load returns at its end.
pub struct LoadResult {
    /// What was planned.
    pub plan: LoadPlan,
    /// What each thread returned, in their order.
    pub threads: Vec<WorkerResult>,
    pub(crate) script: Option<ScriptHandle>,
}

/// The scripts after a run: the main script may still call those of the workers.
pub(crate) struct ScriptHandle {
    pub main: MainScript,
    /// The workers answer calls until this is dropped.
    pub _workers: Box<dyn Any + Send>,
}

impl LoadResult {
    /// The result of a load whose scripts have ended.
    pub fn new(plan: LoadPlan, threads: Vec<WorkerResult>) -> LoadResult {
        LoadResult { plan, threads, script: None }
    }

    /// The same result, with the scripts of the workers in other processes. They answer calls until `workers` is dropped.
    pub(crate) fn with_script(self, main: MainScript, workers: Box<dyn Any + Send>) -> LoadResult {
        LoadResult { script: Some(ScriptHandle { main, _workers: workers }), ..self }
    }

    /// The account of all threads together.
    pub fn account(&self) -> Account {
        let mut account = Account::default();
        self.threads.iter().for_each(|thread| account.merge(&thread.account));
        account
    }

    /// The latencies of all threads together.
    pub fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        self.threads.iter().for_each(|thread| all.merge(&thread.latencies));
        all
    }

    /// Runs the script's `done` function, if it has one. Blocks until it returns.
    ///
    /// # Errors
    /// [`ScriptError`] if it fails.
    pub fn run_done(&mut self, arguments: DoneArguments) -> Result<(), ScriptError> {
        self.script.take().map_or(Ok(()), |script| script.main.run_done(arguments))
    }

    /// The time from the start of load to the end of arrivals, or to the stop.
    pub fn duration(&self) -> Time {
        self.threads.iter().map(|thread| thread.arrivals_end.since(Instant::START)).max().unwrap_or_default()
    }

    /// With HTTP/2: the fewest streams that the server allowed on a connection, if that is fewer than planned.
    pub fn fewest_streams(&self) -> Option<usize> {
        self.threads.iter().map(|thread| thread.fewest_streams).min().filter(|&fewest| fewest < self.plan.streams)
    }

    /// Some requests that were due and never sent are not counted, because the user did not wait for that.
    pub fn has_uncounted(&self) -> bool {
        self.threads.iter().any(|thread| thread.has_uncounted)
    }

    /// The error of the script, if it ended the run.
    pub fn failure(&self) -> Option<&ScriptError> {
        self.threads.iter().find_map(|thread| thread.failure.as_ref())
    }

    /// What the generator reports about itself.
    pub fn generator(&self) -> GeneratorStats {
        let sum = |of: fn(&WorkerResult) -> u64| self.threads.iter().map(of).sum();
        let mut causes = ErrorCauses::default();
        self.threads.iter().for_each(|thread| causes.merge(&thread.causes));
        let never_up = |thread: &WorkerResult| thread.connections_planned.saturating_sub(thread.connections.ever_up);
        GeneratorStats {
            cpu_ns: sum(|thread| thread.times.cpu.0),
            core_wait_ns: self
                .threads
                .iter()
                .filter_map(|thread| thread.times.core_wait)
                .map(|wait| wait.0)
                .reduce(|a, b| a + b),
            connections_opened: sum(|thread| thread.connections.opened),
            connections_established: sum(|thread| thread.connections.established),
            connections_unused: sum(|thread| thread.connections.unused),
            connections_planned: sum(|thread| thread.connections_planned),
            connections_never_up: self.threads.iter().map(never_up).sum(),
            connections_up_mean: self.threads.iter().map(|thread| thread.connections.mean_up(thread.ended)).sum(),
            in_flight_max: sum(|thread| thread.in_flight_max),
            connect_errors: sum(|thread| thread.connections.errors),
            causes,
            sent_again: sum(|thread| thread.sent_again),
            late_warmup: sum(|thread| thread.late_warmup),
            waited: sum(|thread| thread.waited),
            held_back: sum(|thread| thread.held_back),
            script_unsent: sum(|thread| thread.script_unsent),
            bound_reached: self.threads.iter().any(|thread| thread.limit_reached),
            timestamps: sum(|thread| thread.timestamps),
            timestamps_missing: sum(|thread| thread.timestamps_missing),
            records_dropped: sum(|thread| thread.dropped),
            parts: Vec::new(),
        }
    }
}
