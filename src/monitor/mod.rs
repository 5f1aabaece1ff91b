//! Monitors of a system under test: they read samples of its components on the run's clock. One file per source.

mod cgroup;
mod component_events;
mod container;
mod local;
mod process;
mod unit;

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use crate::docker::Usage;
use crate::record::Sample;
use crate::units::{Instant, Time};

pub use container::{ContainerMonitor, ContainerMonitorError, RunningContainer};
pub use local::{FindAgain, LocalComponent, LocalMonitor, RunningLocal};
pub use process::ProcessMonitor;
pub use unit::{UnitCgroup, UnitError, full_unit_name};

/// A source of samples.
pub trait Monitor: Send {
    /// Reads a sample at the instant `at` of the run's clock. `None` if there is no new one. A component that does not run
    /// gives a sample without values, never zeros.
    ///
    /// This takes microseconds. A monitor that must wait for its values collects them in its own task, and returns the
    /// latest ones.
    fn read_sample(&mut self, at: Instant) -> Option<Sample>;
}

/// The sample of a source with this usage; without values if it does not run.
fn sample_of(source: &str, at: Instant, usage: Option<Usage>) -> Sample {
    let no_values = Sample { at, source: source.to_owned(), ..Sample::default() };
    match usage {
        None => no_values,
        Some(usage) => Sample {
            memory_bytes: Some(usage.used),
            resident_bytes: usage.anonymous,
            limit_bytes: usage.limit,
            threads: usage.threads,
            cpu_ns: usage.cpu_ns,
            ..no_values
        },
    }
}

/// Reads a sample of each monitor at 0, `interval`, 2 x `interval`, ... on the clock `now`, until the receiver of `samples` is
/// dropped. Instants that have passed, for example while the machine was suspended, are skipped.
pub async fn sample_periodically(
    mut monitors: Vec<Box<dyn Monitor>>,
    interval: Time,
    now: impl Fn() -> Instant,
    samples: UnboundedSender<Sample>,
) {
    let interval = Time(interval.0.max(1));
    let mut due = Instant::START;
    loop {
        // Before the start of load, the clock reads zero, so one sleep may not be enough.
        let left = due.since(now());
        if left > Time::ZERO {
            tokio::select! {
                () = sleep(Duration::from_nanos(left.0)) => continue,
                () = samples.closed() => return,
            }
        }
        for monitor in &mut monitors {
            if monitor.read_sample(now()).is_some_and(|sample| samples.send(sample).is_err()) {
                return;
            }
        }
        due = next_multiple(interval, now());
    }
}

/// The first multiple of `interval` after `now`.
fn next_multiple(interval: Time, now: Instant) -> Instant {
    let passed = now.since(Instant::START).0 / interval.0;
    Instant::START.plus(Time((passed + 1).saturating_mul(interval.0)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    struct MockMonitor;

    impl Monitor for MockMonitor {
        fn read_sample(&mut self, at: Instant) -> Option<Sample> {
            Some(Sample { at, source: "mock".into(), ..Sample::default() })
        }
    }

    /// The instants, in ms, of the first `count` samples every 100 ms. The clock jumps by `jump` after `jump_after` samples.
    async fn sample_instants(count: usize, jump_after: usize, jump: Time) -> Vec<u64> {
        let (sender, mut samples) = unbounded_channel();
        let (start, jumped) = (tokio::time::Instant::now(), Arc::new(AtomicU64::new(0)));
        let offset = Arc::clone(&jumped);
        let now = move || Instant(start.elapsed().as_nanos() as u64 + offset.load(Ordering::Relaxed));
        let monitors: Vec<Box<dyn Monitor>> = vec![Box::new(MockMonitor)];
        let sampling = tokio::spawn(sample_periodically(monitors, Time::from_millis(100), now, sender));
        let mut instants = Vec::new();
        while instants.len() < count {
            instants.push(samples.recv().await.unwrap().at.0 / 1_000_000);
            if instants.len() == jump_after {
                jumped.store(jump.0, Ordering::Relaxed);
            }
        }
        // Sampling ends without a receiver.
        drop(samples);
        sampling.await.unwrap();
        instants
    }

    #[tokio::test(start_paused = true)]
    async fn samples_are_read_at_multiples_of_the_interval() {
        assert_eq!(sample_instants(5, 0, Time::ZERO).await, [0, 100, 200, 300, 400]);
    }

    #[tokio::test(start_paused = true)]
    async fn instants_that_have_passed_are_skipped() {
        assert_eq!(sample_instants(5, 2, Time::from_millis(250)).await, [0, 100, 450, 500, 600]);
    }
}
