//! Sleeping for exactly as long as the scenario says, however many sleep.
//!
//! tokio's timers count whole ms and ring late by one or two. That took 2 % of what the costly path can serve, and let
//! thousands of tries come in the same instant once a ms, with memory lying free for all comers in between: both change
//! at which load the failure sustains itself.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, oneshot};

use super::scenario::memory::Sleep;
use crate::timer::Timer;

/// All who sleep in this process, on one timer.
#[derive(Clone, Default)]
pub(crate) struct Alarms {
    sleepers: Arc<Mutex<Sleepers>>,
    /// Somebody is to be woken before all others.
    earlier: Arc<Notify>,
}

#[derive(Default)]
struct Sleepers {
    /// By when they are to be woken (ns of `CLOCK_MONOTONIC`), then by when they came.
    bells: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    came: u64,
}

impl Alarms {
    /// Begins to ring. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system gives no timer.
    pub fn start() -> io::Result<Alarms> {
        let alarms = Alarms::default();
        let mut timer = Timer::new()?;
        let ringing = alarms.clone();
        tokio::spawn(async move {
            loop {
                if let Some(at) = ringing.ring()
                    && timer.set(at).is_err()
                {
                    // Not seen: a timer that was given can be set.
                    return;
                }
                tokio::select! {
                    _ = poll_fn(|cx| timer.poll(cx)) => {}
                    () = ringing.earlier.notified() => {}
                }
            }
        });
        Ok(alarms)
    }

    /// Wakes all whose time has come; says who is next.
    fn ring(&self) -> Option<u64> {
        let mut sleepers = self.lock();
        let now = monotonic();
        while let Some(first) = sleepers.bells.first_entry() {
            if first.key().0 > now {
                return Some(first.key().0);
            }
            // Who left does not hear it.
            let _ = first.remove().send(());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sleep for Alarms {
    async fn sleep(&self, time: Duration) {
        let (bell, mut heard) = oneshot::channel();
        let at = monotonic() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        let first = {
            let mut sleepers = self.lock();
            sleepers.came += 1;
            let key = (at, sleepers.came);
            sleepers.bells.insert(key, bell);
            sleepers.bells.first_key_value().is_some_and(|(first, _)| *first == key)
        };
        if first {
            self.earlier.notify_one();
        }
        // The ringing ends with the runtime, and all sleepers with it.
        poll_fn(|cx| match std::pin::Pin::new(&mut heard).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        })
        .await;
    }
}

fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn everybody_is_woken_in_order_and_never_early() {
        let alarms = Alarms::start().unwrap();
        let start = Instant::now();
        let (woken, mut order) = tokio::sync::mpsc::unbounded_channel();
        for ms in [30u64, 10, 20, 0, 10] {
            let (alarms, woken) = (alarms.clone(), woken.clone());
            tokio::spawn(async move {
                alarms.sleep(Duration::from_millis(ms)).await;
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
