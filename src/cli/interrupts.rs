//! SIGINT, SIGTERM and SIGHUP during a command. What a signal does depends on the stage of the command.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::out::warn;
use crate::signals::{Signals, StopSignal};

/// The stage of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has been sent. A signal ends the program without output: see [`Interrupts::run_unless_interrupted`].
    Preparing,
    /// Load is being generated. The caller polls [`Interrupts::count`], and ends the load with a full report.
    Running,
    /// Output is being written. The first signal prints a notice, and the second one ends the program.
    Writing,
}

/// Interval at which preparation work checks for signals.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Receives SIGINT, SIGTERM and SIGHUP on a separate thread, until the process ends.
pub struct Interrupts(Arc<Mutex<State>>);

struct State {
    stage: Stage,
    first: Option<StopSignal>,
    /// Signals in the current stage.
    count: u32,
    /// Printed at the first signal of [`Stage::Writing`].
    writing_notice: &'static str,
}

impl Interrupts {
    /// Starts in [`Stage::Preparing`]. `writing_notice` is printed at the first signal of [`Stage::Writing`].
    ///
    /// # Errors
    /// If the signal handlers cannot be installed, or the thread cannot be created.
    pub fn listen(writing_notice: &'static str) -> io::Result<Interrupts> {
        let state = Arc::new(Mutex::new(State { stage: Stage::Preparing, first: None, count: 0, writing_notice }));
        let shared = Arc::clone(&state);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::new()?
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            loop {
                let signal = runtime.block_on(signals.next());
                lock(&shared).handle(signal);
            }
        })?;
        Ok(Interrupts(state))
    }

    pub fn enter(&self, stage: Stage) {
        let mut state = lock(&self.0);
        // A signal from just before the start of load ends the load.
        state.count = if stage == Stage::Running { state.count } else { 0 };
        state.stage = stage;
    }

    /// The result of `work`, or `None` after a signal. After a signal, `work` is not waited for: a pending DNS lookup
    /// or a stuck script must not delay the exit.
    ///
    /// # Errors
    /// If no thread can be created, or `work` panics.
    pub fn run_unless_interrupted<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (sender, result) = channel();
        let thread = std::thread::Builder::new().name("prepare".into()).spawn(move || drop(sender.send(work())))?;
        loop {
            match result.recv_timeout(POLL_INTERVAL) {
                Ok(result) => return Ok((self.count() == 0).then_some(result)),
                Err(RecvTimeoutError::Timeout) if self.count() > 0 => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                // The thread panicked, and its message has been printed.
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = thread.join();
                    return Err(io::Error::other(
                        "internal error while preparing the load. Please report it with your command line.",
                    ));
                }
            }
        }
    }

    /// Number of signals in the current stage.
    pub fn count(&self) -> u32 {
        lock(&self.0).count
    }

    /// The first signal of all stages.
    pub fn first(&self) -> Option<StopSignal> {
        lock(&self.0).first
    }
}

impl State {
    fn handle(&mut self, signal: StopSignal) {
        self.count += 1;
        self.first.get_or_insert(signal);
        match (self.stage, self.count) {
            (Stage::Preparing | Stage::Running, _) => {}
            (Stage::Writing, 1) => warn(self.writing_notice),
            (Stage::Writing, _) => std::process::exit(signal.exit_code().into()),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
