//! The memory scenario: failed requests hold memory, and a lack of memory makes requests slow and costly.
//!
//! How a post is handled:
//!
//! 1. A post takes [`REQUEST_BYTES`] for the few ms of its call to post-storage.
//! 2. If there is no memory for that, the post takes the costly error path: it takes [`ERROR_BYTES`], holds them for `hold`,
//!    releases them, and then calls post-storage without memory. While memory is short, it tries to take these bytes up to
//!    [`ERROR_TRIES`] times, [`TRY_EVERY`] apart. After that it fails.
//! 3. If the call to post-storage fails, the post holds [`FAILURE_BYTES`] for [`FAILURE_HOLD`].
//!
//! The trigger is an outage of post-storage: step 3 uses up all memory. Step 2 sustains the failure: once memory is
//! used up, every new post takes the costly path, and the costly path keeps memory used up. The clients have no
//! timeout, so waiting posts stay in the system, although post-storage works again.
//!
//! The threshold: with a budget of B bytes, n = floor(B / [`ERROR_BYTES`]) posts are on the costly path at once, and each of
//! them takes `hold`. So the costly path serves n / `hold` posts per second. A system that is stuck recovers if posts
//! arrive more slowly than that, and stays stuck if they arrive faster. With the default of 124 MiB and 100 ms, n is 12 and
//! the threshold is 120 posts/s. A healthy system serves far more.
//!
//! With `leaks`, posts of step 3 never return the memory of their request. After one outage no memory is left, and the system
//! stays broken at every load, even after a time without load. That is a permanent failure and not a metastable one.

use std::future::Future;
use std::time::Duration;

use super::{Memory, PostHandler, PostResult, Sleep};

const MIB: usize = 1 << 20;

/// Held during the call to post-storage.
pub(crate) const REQUEST_BYTES: usize = 5 * MIB;
/// Held for `hold` on the costly path, if there was no memory for the request.
pub(crate) const ERROR_BYTES: usize = 10 * MIB;
/// Held for [`FAILURE_HOLD`] if the call to post-storage failed.
pub(crate) const FAILURE_BYTES: usize = 50 * MIB;
pub(crate) const FAILURE_HOLD: Duration = Duration::from_secs(4);
/// Number of attempts to take [`ERROR_BYTES`], [`TRY_EVERY`] apart.
pub(crate) const ERROR_TRIES: u32 = 100;
/// Number of attempts to take [`FAILURE_BYTES`], [`TRY_EVERY`] apart.
pub(crate) const FAILURE_TRIES: u32 = 20;
pub(crate) const TRY_EVERY: Duration = Duration::from_millis(100);

/// Handles posts with limited memory.
pub(crate) struct MemoryScenario<M, S> {
    pub memory: M,
    pub clock: S,
    /// How long the costly path holds its memory.
    pub hold: Duration,
    /// A post whose storage call fails never returns the memory of its request.
    pub leaks: bool,
}

impl<M: Memory, S: Sleep> PostHandler for MemoryScenario<M, S> {
    async fn handle(&self, store: impl Future<Output = bool> + Send) -> PostResult {
        let request = self.memory.take(REQUEST_BYTES);
        if request.is_none() {
            let Some(costly) = self.take_with_retries(ERROR_BYTES, ERROR_TRIES).await else {
                return PostResult::OutOfMemory;
            };
            self.clock.sleep(self.hold).await;
            drop(costly);
        }
        let stored = store.await;
        if self.leaks && !stored {
            std::mem::forget(request);
        } else {
            drop(request);
        }
        if stored {
            return PostResult::Stored;
        }
        let Some(failure) = self.take_with_retries(FAILURE_BYTES, FAILURE_TRIES).await else {
            return PostResult::OutOfMemory;
        };
        self.clock.sleep(FAILURE_HOLD).await;
        drop(failure);
        PostResult::StorageFailed
    }
}

impl<M: Memory, S: Sleep> MemoryScenario<M, S> {
    async fn take_with_retries(&self, bytes: usize, tries: u32) -> Option<M::Block> {
        for attempt in 0..tries {
            if attempt > 0 {
                self.clock.sleep(TRY_EVERY).await;
            }
            if let Some(block) = self.memory.take(bytes) {
                return Some(block);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
