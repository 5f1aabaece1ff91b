//! Whether a worker's script runs, and who uses the worker's state meanwhile.

use std::sync::atomic::{AtomicU8, Ordering};

const WORKER: u8 = 0;
const SCRIPT: u8 = 1;
const LOAD: u8 = 2;

/// Who uses the state of a worker: its thread, its thread within the script, or the load, which has taken it over.
#[derive(Debug, Default)]
pub struct ScriptRun {
    holder: AtomicU8,
}

impl ScriptRun {
    /// Runs `call`, which may run the script. It must use nothing of the state but the script and what it makes. Never
    /// returns if the load has taken over the state meanwhile.
    #[inline]
    pub fn in_script<T>(&self, call: impl FnOnce() -> T) -> T {
        self.holder.store(SCRIPT, Ordering::Release);
        // If `call` panics, the thread takes the state back too, before it is dropped.
        let _guard = Guard(self);
        call()
    }

    /// Takes over the state for the load, if the script runs. All that the thread did before is visible then.
    pub fn take_over(&self) -> bool {
        self.holder.compare_exchange(SCRIPT, LOAD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

struct Guard<'a>(&'a ScriptRun);

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
