//! Exact sleeping for any number of tasks.
//!
//! tokio's timers have a resolution of 1 ms, and fire 1 to 2 ms late. Both change the rate at which the failure
//! sustains itself: late timers cost 2 % of the capacity of the costly error path, and rounding lets thousands of
//! attempts to take memory coincide, so that memory is free for all of them in between.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, oneshot};

use super::scenario::Sleep;
use crate::timer::Timer;

/// All sleeping tasks of this process, on one timerfd. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct SleepTimer {
    queue: Arc<Mutex<SleepQueue>>,
    /// Notified when a new deadline is earlier than all others.
    earlier_deadline: Arc<Notify>,
}

#[derive(Default)]
struct SleepQueue {
    /// Wakers, ordered by deadline (ns of `CLOCK_MONOTONIC`) and then by sequence number.
    sleepers: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    next_sequence: u64,
}

impl SleepTimer {
    /// Starts the task that wakes sleepers. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If no timer can be created.
    pub fn start() -> io::Result<SleepTimer> {
        let sleep_timer = SleepTimer::default();
        let mut timer = Timer::new()?;
        let shared = sleep_timer.clone();
        tokio::spawn(async move {
            loop {
                if let Some(deadline) = shared.wake_expired()
                    && timer.set(deadline).is_err()
                {
                    // Not expected: an existing timer can always be set.
                    return;
                }
                tokio::select! {
                    _ = poll_fn(|cx| timer.poll(cx)) => {}
                    () = shared.earlier_deadline.notified() => {}
                }
            }
        });
        Ok(sleep_timer)
    }

    /// Wakes all tasks whose deadline has passed, and returns the next deadline.
    fn wake_expired(&self) -> Option<u64> {
        let mut queue = self.lock();
        let now = monotonic_ns();
        while let Some(first) = queue.sleepers.first_entry() {
            if first.key().0 > now {
                return Some(first.key().0);
            }
            // The task may have been dropped.
            let _ = first.remove().send(());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, SleepQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sleep for SleepTimer {
    async fn sleep(&self, time: Duration) {
        let (waker, mut woken) = oneshot::channel();
        let deadline = monotonic_ns() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        let is_first = {
            let mut queue = self.lock();
            queue.next_sequence += 1;
            let key = (deadline, queue.next_sequence);
            queue.sleepers.insert(key, waker);
            queue.sleepers.first_key_value().is_some_and(|(first, _)| *first == key)
        };
        if is_first {
            self.earlier_deadline.notify_one();
        }
        // The sender is dropped only when the runtime ends. Sleepers must not return early then.
        poll_fn(|cx| match std::pin::Pin::new(&mut woken).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        })
        .await;
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn tasks_wake_in_the_order_of_their_deadlines_and_never_early() {
        let timer = SleepTimer::start().unwrap();
        let start = Instant::now();
        let (woken, mut order) = tokio::sync::mpsc::unbounded_channel();
        for ms in [30u64, 10, 20, 0, 10] {
            let (timer, woken) = (timer.clone(), woken.clone());
            tokio::spawn(async move {
                timer.sleep(Duration::from_millis(ms)).await;
                assert!(start.elapsed() >= Duration::from_millis(ms));
                woken.send(ms).unwrap();
            });
        }
        drop(woken);
        let mut seen = Vec::new();
        while let Some(ms) = order.recv().await {
            seen.push(ms);
        }
        assert_eq!(seen, [0, 10, 10, 20, 30]);
    }
}
