//! The main Lua state, which runs `setup` before a load and `done` after it, in a thread of its own; and its way to the
//! states of the generator's threads, which answer it while they don't run.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use hdrhistogram::Histogram;

use super::LoadError;
use super::plan::LoadPlan;
use super::thread::requests::environment;
use super::thread::worker::ScriptCall;
use crate::script::{DoneSummary, MainState, PlainValue, Script, ScriptError, ThreadHandle};

/// What a script's `done` is told.
pub struct DoneArguments {
    pub summary: DoneSummary,
    /// Response times, in us.
    pub latency: Histogram<u64>,
    /// Samples of one thread's responses per second.
    pub rates: Vec<f64>,
}

/// The main state's thread.
pub struct MainScript {
    ask: Sender<DoneArguments>,
    answers: Receiver<Result<(), ScriptError>>,
}

impl MainScript {
    /// Loads the script and runs its `setup` for each thread.
    ///
    /// # Errors
    /// [`LoadError::Script`] where either fails.
    pub fn set_up(plan: &LoadPlan, script: &Script, threads: Vec<Thread>) -> Result<MainScript, LoadError> {
        let (plan, script) = (plan.clone(), script.clone());
        let (ask, asked) = channel::<DoneArguments>();
        let (answer, answers) = channel();
        let work = move || {
            let main = MainState::load(&script, &environment(&plan, 0)).and_then(|main| {
                main.resolve()?;
                threads.into_iter().try_for_each(|thread| main.setup(Box::new(thread)))?;
                Ok(main)
            });
            // Whoever asks may have left.
            let main = match main {
                Ok(main) => main,
                Err(error) => return drop(answer.send(Err(error))),
            };
            let _ = answer.send(Ok(()));
            if let Ok(told) = asked.recv() {
                let _ = answer.send(main.done(&told.summary, &told.latency, &told.rates));
            }
        };
        std::thread::Builder::new().name("main-script".into()).spawn(work).map_err(LoadError::Thread)?;
        answers.recv().map_err(|_| LoadError::Died)??;
        Ok(MainScript { ask, answers })
    }

    /// Runs the script's `done`, if it has one. Blocks as long as that takes.
    ///
    /// # Errors
    /// [`ScriptError`] where it fails.
    pub fn done(self, told: DoneArguments) -> Result<(), ScriptError> {
        let _ = self.ask.send(told);
        self.answers.recv().unwrap_or(Ok(()))
    }
}

/// A thread of the generator as the main state sees it.
pub struct Thread {
    pub calls: Sender<ScriptCall>,
    pub address: Cell<SocketAddr>,
}

impl Thread {
    /// Asks, and waits for the answer. A thread that is gone has none.
    fn ask<T>(&self, call: impl FnOnce(Sender<Result<T, ScriptError>>) -> ScriptCall) -> Result<T, ScriptError> {
        let (sender, answer) = channel();
        let _ = self.calls.send(call(sender));
        answer.recv().unwrap_or_else(|_| Err(ScriptError::Lua("the thread has ended".into())))
    }
}

impl ThreadHandle for Thread {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        self.ask(|answer| ScriptCall::Get(name.to_owned(), answer))
    }

    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.ask(|answer| ScriptCall::Set(name.to_owned(), value, answer))
    }

    fn address(&self) -> SocketAddr {
        self.address.get()
    }

    fn set_address(&self, address: SocketAddr) {
        self.address.set(address);
        // A thread that is gone connects to nothing.
        let _ = self.calls.send(ScriptCall::Address(address));
    }

    fn stop(&self) {
        let _ = self.calls.send(ScriptCall::Stop);
    }
}
