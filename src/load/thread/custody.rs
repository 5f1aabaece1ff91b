//! Who uses the state of a worker: its own thread, or the load, which takes it from a thread that is stuck in its script.
//!
//! A script may never return: an endless loop, a read from a pipe, a module in C. Nothing can interrupt it, but while it
//! runs, its thread uses nothing of the worker's state but the script. So the load may take over the state then, and
//! account for its requests exactly. If the script does return after that, its thread waits for the end of the program.
#![allow(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::script_run::ScriptRun;
use super::state::WorkerState;

/// The custody of one worker's state.
#[derive(Debug, Default)]
pub struct Custody {
    script_run: Arc<ScriptRun>,
    /// Set by [`Custody::register`].
    state: AtomicPtr<WorkerState>,
}

impl Custody {
    /// Says whether the worker's script runs.
    pub(super) fn script_run(&self) -> Arc<ScriptRun> {
        Arc::clone(&self.script_run)
    }

    /// The worker's thread keeps `state` until it calls no script any more.
    pub(super) fn register(&self, state: &Rc<WorkerState>) {
        self.state.store(Rc::as_ptr(state).cast_mut(), Ordering::Relaxed);
    }

    /// Takes over the state of a worker whose script runs. `None` if it does not.
    pub(crate) fn take(&self) -> Option<TakenState<'_>> {
        if !self.script_run.take_over() {
            return None;
        }
        // SAFETY: the thread has registered the state, keeps it while its script runs, and waits for ever as soon as the
        // script returns. Taking over orders all that it did before.
        unsafe { self.state.load(Ordering::Relaxed).as_ref() }.map(TakenState)
    }
}

/// The state of a worker whose thread is stuck in its script.
pub struct TakenState<'a>(&'a WorkerState);

impl std::ops::Deref for TakenState<'_> {
    type Target = WorkerState;

    fn deref(&self) -> &WorkerState {
        self.0
    }
}
