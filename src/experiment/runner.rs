//! Runs experiments one after the other on a testbed that stays between them.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::processes::{RunningProcess, find_processes};
use super::run::{RunError, RunOptions, RunResult, run_prepared};
use super::start_error::StartError;
use crate::plan::{ExperimentPlan, System};
use crate::progress::Progress;
use crate::record::ResultsFolder;
use crate::signals::{Signals, StopSignal};
use crate::testbed::Testbed;

/// Runs experiments, and keeps their testbed. From its start on, SIGINT, SIGTERM and SIGHUP do not end the process.
pub struct ExperimentRunner {
    signals: Signals,
    testbed: Option<Testbed>,
    /// How many testbeds were started.
    started: u32,
}

impl ExperimentRunner {
    /// Gives a runner to `work`, and returns its result. The testbed ends with it.
    ///
    /// # Errors
    /// If the event loop or the signal handlers cannot be set up.
    pub fn with<T>(work: impl AsyncFnOnce(&mut ExperimentRunner) -> T) -> io::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(async {
            let mut runner = ExperimentRunner { signals: Signals::new()?, testbed: None, started: 0 };
            let result = work(&mut runner).await;
            runner.stop_testbed().await;
            Ok(result)
        });
        // Does not wait for pending DNS lookups or stuck scripts.
        runtime.shutdown_background();
        result
    }

    /// Starts the testbed of `plan`, unless one runs or the plan has none.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn provide_testbed(&mut self, plan: &ExperimentPlan) -> Result<(), StartError> {
        if self.testbed.as_mut().is_some_and(|testbed| testbed.has_failed()) {
            self.stop_testbed().await;
        }
        if let (None, System::Testbed(testbed)) = (&self.testbed, plan.system()) {
            self.testbed = Some(Testbed::start(testbed, None).await?);
            self.started += 1;
        }
        Ok(())
    }

    /// The number of the testbed that runs, from 1: each that is started has another one. `None` without a testbed.
    pub fn testbed_number(&self) -> Option<u32> {
        self.testbed.as_ref().map(|_| self.started)
    }

    /// Runs `plan` and writes all results to `folder`. A testbed that already runs is used as it is, and it must be the
    /// plan's. It is kept, unless one of its components died. Calls `show_progress` once a second.
    ///
    /// # Errors
    /// [`RunError`] if no load began, or if its results could not be kept. The testbed is stopped.
    pub async fn run(
        &mut self,
        plan: &ExperimentPlan,
        folder: ResultsFolder,
        options: RunOptions,
        show_progress: &mut dyn FnMut(&Progress),
    ) -> Result<RunResult, RunError> {
        let result = match self.provide_testbed(plan).await {
            Ok(()) => run_prepared(&mut self.signals, &mut self.testbed, plan, folder, options, show_progress).await,
            Err(error) => {
                folder.discard();
                Err(error.into())
            }
        };
        if result.as_ref().map_or(true, |result| result.failure.is_some()) {
            self.stop_testbed().await;
        }
        result
    }

    /// The processes of the system under test, as far as the plan names them. Empty for a target without containers.
    ///
    /// # Errors
    /// If the engine of the containers does not answer.
    pub async fn find_processes(&self, plan: &ExperimentPlan) -> Result<Vec<RunningProcess>, StartError> {
        find_processes(plan, self.testbed.as_ref()).await
    }

    /// Waits for `time`, without load. Returns early with the signal that arrives. Calls `show_left` ten times a second.
    pub async fn wait(&mut self, time: Duration, show_left: &mut dyn FnMut(Duration)) -> Option<StopSignal> {
        let end = tokio::time::Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return None;
            }
            show_left(left);
            tokio::select! {
                () = tokio::time::sleep(left.min(Duration::from_millis(100))) => {}
                signal = self.signals.next() => return Some(signal),
            }
        }
    }

    /// The signal that arrived since the last run or wait, if any.
    pub async fn take_signal(&mut self) -> Option<StopSignal> {
        self.signals.take_pending().await
    }

    /// Stops the testbed, if one runs, and waits for the end of its processes.
    pub async fn stop_testbed(&mut self) {
        if let Some(testbed) = self.testbed.take() {
            testbed.stop().await;
        }
    }
}

/// Runs `plan` and writes all results to a new folder in `out`. Calls `show_progress` once a second.
///
/// Right before the first fault the baseline is judged. If the run cannot become valid, it ends there, and nothing is
/// touched.
///
/// SIGINT, SIGTERM and SIGHUP end the run early: faults are removed, processes are stopped, and the results so far are
/// kept. A second signal skips steps that take long. A run whose load never began leaves no folder.
///
/// # Errors
/// [`RunError`] if no load began, or if its results could not be kept.
pub fn run_experiment(
    plan: &ExperimentPlan,
    out: &Path,
    options: RunOptions,
    show_progress: &mut dyn FnMut(&Progress),
) -> Result<RunResult, RunError> {
    ExperimentRunner::with(async |runner| {
        let folder = ResultsFolder::create(out, plan.name(), jiff::Zoned::now().datetime())?;
        runner.run(plan, folder, options, show_progress).await
    })?
}
