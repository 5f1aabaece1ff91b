//! Who uses the state of a worker: its own thread, or the load, which takes it from a thread that is stuck in its script.
//!
//! A script may never return: an endless loop, a read from a pipe, a module in C. Nothing can interrupt it, but while it
//! runs, its thread uses nothing of the worker's state but the script. So the load may take over the state then, and
//! account for its requests exactly. If the script does return after that, its thread waits for the end of the program.
#![allow(unsafe_code)]

use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use super::state::WorkerState;

const WORKER: u8 = 0;
const SCRIPT: u8 = 1;
const LOAD: u8 = 2;

/// The custody of one worker's state.
#[derive(Debug, Default)]
pub struct Custody {
    holder: AtomicU8,
    /// Set by [`Custody::register`].
    state: AtomicPtr<WorkerState>,
}

impl Custody {
    /// The worker's thread keeps `state` until it calls no script any more.
    pub(super) fn register(&self, state: &Rc<WorkerState>) {
        self.state.store(Rc::as_ptr(state).cast_mut(), Ordering::Relaxed);
    }

    /// Runs `call`, which may run the script. It must use nothing of the state but the script and what it makes.
    #[inline]
    pub(super) fn in_script<T>(&self, call: impl FnOnce() -> T) -> T {
        self.holder.store(SCRIPT, Ordering::Release);
        // If `call` panics, the thread takes the state back too, before it is dropped.
        let _guard = Guard(self);
        call()
    }

    /// Takes over the state of a worker whose script runs. `None` if it does not.
    pub(crate) fn take(&self) -> Option<TakenState<'_>> {
        let taken = self.holder.compare_exchange(SCRIPT, LOAD, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_err() {
            return None;
        }
        // SAFETY: the thread has registered the state, keeps it while its script runs, and waits for ever as soon as the
        // script returns. The exchange orders all that it did before.
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

struct Guard<'a>(&'a Custody);

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        let back = self.0.holder.compare_exchange(SCRIPT, WORKER, Ordering::Acquire, Ordering::Relaxed);
        if back.is_err() {
            loop {
                std::thread::park();
            }
        }
    }
}
