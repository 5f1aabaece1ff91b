//! The main script: runs `setup` before a load and `done` after it, in its own thread. It calls the scripts of the
//! workers while the workers do not run.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use hdrhistogram::Histogram;

use super::LoadError;
use super::plan::LoadPlan;
use super::thread::messages::ScriptCall;
use super::thread::requests::environment;
use crate::script::{DoneSummary, MainState, PlainValue, Script, ScriptError, ThreadHandle};

/// The arguments of a script's `done` function.
pub struct DoneArguments {
    /// Counts of the load.
    pub summary: DoneSummary,
    /// Response times, in us.
    pub latency: Histogram<u64>,
    /// Samples of the responses per second of a thread.
    pub rates: Vec<f64>,
}

/// The thread of the main script.
pub struct MainScript {
    done: Sender<DoneArguments>,
    results: Receiver<Result<(), ScriptError>>,
}

impl MainScript {
    /// Loads the script and runs its `setup` function for each worker.
    ///
    /// # Errors
    /// [`LoadError::Script`] if either fails.
    pub fn set_up(
        plan: &LoadPlan,
        script: &Script,
        workers: Vec<Box<dyn ThreadHandle + Send>>,
    ) -> Result<MainScript, LoadError> {
        let (plan, script) = (plan.clone(), script.clone());
        let (done, arguments) = channel::<DoneArguments>();
        let (sender, results) = channel();
        let work = move || {
            let main = MainState::load(&script, &environment(&plan, 0)).and_then(|main| {
                main.resolve()?;
                workers.into_iter().try_for_each(|worker| main.setup(worker))?;
                Ok(main)
            });
            // The load may have been dropped.
            let main = match main {
                Ok(main) => main,
                Err(error) => return drop(sender.send(Err(error))),
            };
            let _ = sender.send(Ok(()));
            if let Ok(DoneArguments { summary, latency, rates }) = arguments.recv() {
                let _ = sender.send(main.done(&summary, &latency, &rates));
            }
        };
        std::thread::Builder::new().name("main-script".into()).spawn(work).map_err(LoadError::Thread)?;
        results.recv().map_err(|_| LoadError::Died)??;
        Ok(MainScript { done, results })
    }

    /// Runs the script's `done` function, if it has one. Blocks until it returns.
    ///
    /// # Errors
    /// [`ScriptError`] if it fails.
    pub fn run_done(self, arguments: DoneArguments) -> Result<(), ScriptError> {
        let _ = self.done.send(arguments);
        self.results.recv().unwrap_or(Ok(()))
    }
}

/// The script of a worker, as the main script sees it. The worker answers calls until this is dropped.
pub struct WorkerScript {
    pub(super) calls: Sender<ScriptCall>,
    pub(super) address: Cell<SocketAddr>,
}

impl WorkerScript {
    /// Sends a call and waits for the answer. A worker that has ended gives none.
    fn call<T>(&self, call: impl FnOnce(Sender<Result<T, ScriptError>>) -> ScriptCall) -> Result<T, ScriptError> {
        let (sender, answer) = channel();
        let _ = self.calls.send(call(sender));
        answer.recv().unwrap_or_else(|_| Err(ScriptError::Lua("the thread has ended".into())))
    }
}

impl ThreadHandle for WorkerScript {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        self.call(|answer| ScriptCall::Get(name.to_owned(), answer))
    }

    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.call(|answer| ScriptCall::Set(name.to_owned(), value, answer))
    }

    fn address(&self) -> SocketAddr {
        self.address.get()
    }

    fn set_address(&self, address: SocketAddr) {
        self.address.set(address);
        // A worker that has ended does not connect any more.
        let _ = self.calls.send(ScriptCall::Address(address));
    }

    fn stop(&self) {
        let _ = self.calls.send(ScriptCall::Stop);
    }
}
