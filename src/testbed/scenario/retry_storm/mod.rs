//! The retry storm scenario: a fixed number of workers with a queue, and a client that times out and retries.
//!
//! compose-post has k workers. Each post occupies a worker for the service time s, so the workers serve mu = k / s posts per
//! second. Posts wait in a queue of limited length, first come, first served.
//!
//! The client sustains the failure. It times out after T, and retries up to r times. The server does not notice that
//! the client has disconnected: an abandoned post keeps its place in the queue, and a worker still serves it. Once the
//! queue is so long that posts wait longer than T, every post times out, and each one arrives 1 + r times. The workers
//! are then busy with abandoned posts only.
//!
//! The thresholds: a healthy system serves a load of up to mu posts per second. A system in the retry storm recovers if
//! the load is below mu / (1 + r), because only then the queue shrinks. Above that load, the queue stays long. The loop
//! needs a queue that can grow beyond mu * T posts, and a client that can have more than mu * T requests in flight.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{PostHandler, PostResult, Sleep};

/// Handles posts with a fixed number of workers, and a queue in front of them.
pub(crate) struct RetryStorm<S> {
    idle_workers: Semaphore,
    free_queue_places: Semaphore,
    /// The shortest time that a post occupies a worker.
    service_time: Duration,
    clock: S,
}

impl<S> RetryStorm<S> {
    /// `queue` is the largest number of posts that wait for a worker.
    pub fn new(workers: usize, queue: usize, service_time: Duration, clock: S) -> RetryStorm<S> {
        RetryStorm {
            idle_workers: Semaphore::new(workers),
            free_queue_places: Semaphore::new(queue),
            service_time,
            clock,
        }
    }
}

impl<S: Sleep> PostHandler for RetryStorm<S> {
    /// The time of `store` is part of the service time.
    async fn handle(&self, store: impl Future<Output = bool> + Send) -> PostResult {
        // The semaphores are never closed. tokio's semaphore is fair: waiting posts get workers in order.
        let worker = match self.idle_workers.try_acquire() {
            Ok(worker) => worker,
            Err(_) => {
                let Ok(place) = self.free_queue_places.try_acquire() else { return PostResult::QueueFull };
                let Ok(worker) = self.idle_workers.acquire().await else { return PostResult::QueueFull };
                drop(place);
                worker
            }
        };
        let (stored, ()) = tokio::join!(store, self.clock.sleep(self.service_time));
        drop(worker);
        if stored { PostResult::Stored } else { PostResult::StorageFailed }
    }
}

#[cfg(test)]
mod tests;
