//! The feedback loops that sustain a failure after its trigger was removed: one file per scenario.
//!
//! A scenario is how compose-post handles a post. It is pure: memory and time come in through [`Memory`] and [`Sleep`], so
//! that tests check its thresholds on simulated time.

pub(crate) mod memory;
pub(crate) mod retry_storm;

use std::future::Future;
use std::time::Duration;

/// Memory that is handed out in blocks. A block returns its memory when it is dropped.
pub(crate) trait Memory: Send + Sync + 'static {
    type Block: Send;

    /// A block of `bytes` bytes, or `None` if there is not enough memory left.
    fn take(&self, bytes: usize) -> Option<Self::Block>;
}

/// A clock to sleep on.
pub(crate) trait Sleep: Send + Sync + 'static {
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// How compose-post handles a post.
pub(crate) trait PostHandler: Send + Sync + 'static {
    /// Handles one post. `store` calls post-storage, and returns whether the post was stored.
    fn handle(&self, store: impl Future<Output = bool> + Send) -> impl Future<Output = PostResult> + Send;
}

/// The result of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostResult {
    /// The post is stored.
    Stored,
    /// The call to post-storage failed.
    StorageFailed,
    /// No memory became free, for the post or for the handling of its failure.
    OutOfMemory,
    /// Too many posts were waiting for a worker.
    QueueFull,
}

#[cfg(test)]
pub(crate) mod simulated {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    /// tokio's clock, which tests pause: it advances only when all tasks wait.
    pub struct SimulatedClock;

    impl Sleep for SimulatedClock {
        async fn sleep(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }
    }

    /// Due times of Poisson arrivals at `rate` requests/s until `end`, in seconds.
    pub fn poisson_arrivals(rate: f64, end: f64) -> impl Iterator<Item = f64> {
        let (mut random, mut due) = (ChaCha8Rng::seed_from_u64(1), 0.0);
        std::iter::from_fn(move || {
            due -= (1.0 - (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64).ln() / rate;
            (due < end).then_some(due)
        })
    }

    /// Index of the first bin from which on goodput stays at 0.9 or above. `None` if the last bin is below. Each bin holds
    /// the number of all requests, and of good ones.
    pub fn recovery(bins: &[(u32, u32)]) -> Option<u64> {
        let is_bad = |(all, good): &(u32, u32)| f64::from(*good) < 0.9 * f64::from(*all);
        let recovered = bins.iter().rposition(is_bad).map_or(0, |at| at + 1);
        (recovered < bins.len()).then_some(recovered as u64)
    }
}
