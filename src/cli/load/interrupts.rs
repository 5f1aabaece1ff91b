use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::out::warn;
use crate::signals::{Signals, StopSignal};

/// How far the program is. What a signal does depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has been sent: the program just ends, and leaves all as it was. See [`Interrupts::unless_heard`].
    Preparing,
    /// The load is to end, with a full report: whoever runs it asks [`Interrupts::times`].
    Running,
    /// What the load left is being written. The first signal lets that be finished, a second does not.
    Writing,
}

/// A signal is looked for so often.
const LOOK: Duration = Duration::from_millis(20);

/// SIGINT and SIGTERM, heard from the first moment to the last.
pub struct Interrupts(Arc<Mutex<State>>);

struct State {
    stage: Stage,
    heard: Option<StopSignal>,
    /// Signals in this stage.
    times: u32,
}

impl Interrupts {
    /// # Errors
    /// Where the system refuses.
    pub fn listen() -> io::Result<Interrupts> {
        let state = Arc::new(Mutex::new(State { stage: Stage::Preparing, heard: None, times: 0 }));
        let shared = Arc::clone(&state);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::new()?
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            loop {
                let by = runtime.block_on(signals.next());
                lock(&shared).hear(by);
            }
        })?;
        Ok(Interrupts(state))
    }

    pub fn enter(&self, stage: Stage) {
        let mut state = lock(&self.0);
        // One that came just before load began is of the load.
        state.times = if stage == Stage::Running { state.times } else { 0 };
        state.stage = stage;
    }

    /// What `work` comes to, or `None` once a signal is heard: then nobody waits for it any more, a name that is looked up
    /// or a script that is stuck.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn unless_heard<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Option<T>> {
        let (done, result) = channel();
        let worker = std::thread::Builder::new().name("prepare".into()).spawn(move || drop(done.send(work())))?;
        loop {
            match result.recv_timeout(LOOK) {
                Ok(result) => return Ok((self.times() == 0).then_some(result)),
                Err(RecvTimeoutError::Timeout) if self.times() > 0 => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                // It panicked, and the message is out.
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = worker.join();
                    return Err(io::Error::other(
                        "the preparation died; please report this with the command that did it",
                    ));
                }
            }
        }
    }

    /// How many signals came in this stage.
    pub fn times(&self) -> u32 {
        lock(&self.0).times
    }

    /// The first signal there was.
    pub fn heard(&self) -> Option<StopSignal> {
        lock(&self.0).heard
    }
}

impl State {
    fn hear(&mut self, by: StopSignal) {
        self.times += 1;
        self.heard.get_or_insert(by);
        match (self.stage, self.times) {
            (Stage::Preparing | Stage::Running, _) => {}
            (Stage::Writing, 1) => warn("writing what the run left; once more to leave it unfinished"),
            (Stage::Writing, _) => std::process::exit(by.exit_code().into()),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
