//! What a request does to memory, and memory to requests: the loop that sustains the failure.
//!
//! A request needs [`REQUEST_BYTES`] for the few ms of its storage call. If that call fails, failing takes
//! [`FAILURE_BYTES`] for [`FAILURE_HOLD`]; if there is no memory for it in the first place, going on without takes
//! [`ERROR_BYTES`] for `hold`. So a failing storage uses memory up, and being out of memory keeps it used up: with n of
//! the costly blocks fitting at once, for as long as requests come faster than n / hold. They wait for it for up to
//! [`ERROR_TRIES`] x [`TRY_EVERY`], nobody gives up on the client's side, and the storage may long be well again.

use std::future::Future;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Held through the storage call.
pub const REQUEST_BYTES: usize = 5 * MIB;
/// Held for `hold` where there was no memory for a request.
pub const ERROR_BYTES: usize = 10 * MIB;
/// Held for [`FAILURE_HOLD`] where the storage call failed.
pub const FAILURE_BYTES: usize = 50 * MIB;
pub const FAILURE_HOLD: Duration = Duration::from_secs(4);
/// How often memory for [`ERROR_BYTES`] is asked for, [`TRY_EVERY`] apart, before a request is given up.
pub const ERROR_TRIES: u32 = 100;
/// The same for [`FAILURE_BYTES`].
pub const FAILURE_TRIES: u32 = 20;
pub const TRY_EVERY: Duration = Duration::from_millis(100);

/// Where blocks of memory come from; they go back when dropped.
pub trait Memory {
    type Block: Send;

    /// `None` if there is not that much left.
    fn take(&self, bytes: usize) -> Option<Self::Block>;
}

/// Where time passes.
pub trait Sleep {
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The post is stored.
    Stored,
    /// The storage call failed, and that was dealt with.
    StorageFailed,
    /// There was no memory, for the request or for dealing with its failure, until it was given up.
    GivenUp,
}

/// One request's way. `store` says whether the post was stored.
pub async fn serve<M: Memory>(
    memory: &M,
    clock: &impl Sleep,
    hold: Duration,
    store: impl Future<Output = bool>,
) -> Served {
    let request = memory.take(REQUEST_BYTES);
    if request.is_none() {
        let Some(costly) = insist(memory, clock, ERROR_BYTES, ERROR_TRIES).await else { return Served::GivenUp };
        clock.sleep(hold).await;
        drop(costly);
    }
    let stored = store.await;
    drop(request);
    if stored {
        return Served::Stored;
    }
    let Some(failure) = insist(memory, clock, FAILURE_BYTES, FAILURE_TRIES).await else { return Served::GivenUp };
    clock.sleep(FAILURE_HOLD).await;
    drop(failure);
    Served::StorageFailed
}

async fn insist<M: Memory>(memory: &M, clock: &impl Sleep, bytes: usize, tries: u32) -> Option<M::Block> {
    for attempt in 0..tries {
        if attempt > 0 {
            clock.sleep(TRY_EVERY).await;
        }
        if let Some(block) = memory.take(bytes) {
            return Some(block);
        }
    }
    None
}

#[cfg(test)]
mod tests;
