//! What is seen of a system under test: samples of its components on the run's clock, one file a source.

mod cgroup;
mod container;
mod incidents;
mod procfs;

use std::time::Duration;

pub use cgroup::Cgroup;
pub use container::{Container, WatchError, Watched};
pub use procfs::Process;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use crate::record::Sample;
use crate::units::Time;

/// A source of samples. A look takes microseconds: one that has to wait for its numbers gathers them in a task of its
/// own, and gives the latest.
pub trait Monitor: Send {
    /// A look, at `at_ns` on the run's clock; `None` where there is nothing new. What is not there is a gap (a sample
    /// without numbers), never zero.
    fn sample(&mut self, at_ns: u64) -> Option<Sample>;
}

/// Looks at all `monitors` at 0, `every`, 2 x `every`, ... on the run's clock `now` (ns since the start of load), until
/// nobody takes the samples. Ticks that the machine slept through are left out, so they keep their places.
pub async fn run(
    mut monitors: Vec<Box<dyn Monitor>>,
    every: Time,
    now: impl Fn() -> u64,
    samples: UnboundedSender<Sample>,
) {
    let every = every.0.max(1);
    let mut due = 0;
    loop {
        // Before the start of load the clock stands at zero, so one sleep may not be enough.
        let left = due - now().min(due);
        if left > 0 {
            tokio::select! {
                () = sleep(Duration::from_nanos(left)) => continue,
                () = samples.closed() => return,
            }
        }
        for monitor in &mut monitors {
            if monitor.sample(now()).is_some_and(|sample| samples.send(sample).is_err()) {
                return;
            }
        }
        due = (now() / every + 1).saturating_mul(every);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::Instant;

    use super::*;

    struct Mock;

    impl Monitor for Mock {
        fn sample(&mut self, at_ns: u64) -> Option<Sample> {
            Some(Sample { at: crate::units::Instant(at_ns), source: "mock".into(), ..Sample::default() })
        }
    }

    /// The ms of the first `count` looks, on a clock that jumps by `jump` after `jump_after` of them.
    async fn ticks(count: usize, jump_after: usize, jump: Time) -> Vec<u64> {
        let (sender, mut samples) = unbounded_channel();
        let (start, jumped) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let offset = Arc::clone(&jumped);
        let now = move || start.elapsed().as_nanos() as u64 + offset.load(Ordering::Relaxed);
        let running = tokio::spawn(run(vec![Box::new(Mock)], Time::from_millis(100), now, sender));
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.push(samples.recv().await.unwrap().at.0 / 1_000_000);
            if seen.len() == jump_after {
                jumped.store(jump.0, Ordering::Relaxed);
            }
        }
        // It ends when nobody listens.
        drop(samples);
        running.await.unwrap();
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn looks_are_on_the_clock_s_ticks() {
        assert_eq!(ticks(5, 0, Time::ZERO).await, [0, 100, 200, 300, 400]);
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_slept_through_are_left_out_and_the_rest_keep_their_places() {
        assert_eq!(ticks(5, 2, Time::from_millis(250)).await, [0, 100, 450, 500, 600]);
    }
}
