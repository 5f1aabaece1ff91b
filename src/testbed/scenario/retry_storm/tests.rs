//! The retry storm on simulated time: 4 workers with a service time of 10 ms, and a client with a timeout of 200 ms.

use std::sync::Arc;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::*;
use crate::testbed::scenario::simulated::{SimulatedClock, poisson_arrivals, recovery};

const SERVICE_TIME: Duration = Duration::from_millis(10);

fn scenario(workers: usize, queue: usize) -> Arc<RetryStorm<SimulatedClock>> {
    Arc::new(RetryStorm::new(workers, queue, SERVICE_TIME, SimulatedClock))
}

#[tokio::test(start_paused = true)]
async fn workers_serve_in_order_and_posts_beyond_the_queue_are_refused() {
    let scenario = scenario(1, 2);
    let start = Instant::now();
    let posts: Vec<_> = (0..4)
        .map(|_| {
            let scenario = Arc::clone(&scenario);
            tokio::spawn(async move { (scenario.handle(async { true }).await, start.elapsed()) })
        })
        .collect();
    let mut results = Vec::new();
    for post in posts {
        results.push(post.await.unwrap());
    }
    let stored_after = |n| (PostResult::Stored, SERVICE_TIME * n);
    assert_eq!(results, [stored_after(1), stored_after(2), stored_after(3), (PostResult::QueueFull, Duration::ZERO)]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_storage_call_occupies_its_worker_and_a_failed_one_is_reported() {
    let start = Instant::now();
    let slow = async {
        sleep(SERVICE_TIME * 3).await;
        false
    };
    let result = scenario(1, 0).handle(slow).await;
    assert_eq!((result, start.elapsed()), (PostResult::StorageFailed, SERVICE_TIME * 3));
}

const TIMEOUT: Duration = Duration::from_millis(200);
/// Start and end of the outage of post-storage, in seconds.
const OUTAGE: (u64, u64) = (5, 15);

#[derive(Debug)]
struct StormResult {
    /// Seconds from the end of the outage to the recovery of goodput.
    recovered: Option<u64>,
    /// Mean over the last 20 s.
    goodput: f64,
    /// Attempts per request, mean over the last 20 s.
    attempts: f64,
}

/// A Poisson load at `rate` requests/s. A request that fails is retried at once, up to `retries` times. Calls to post-storage
/// hang during the outage.
async fn run_storm(rate: f64, retries: u32, queue: usize) -> StormResult {
    let (start, scenario) = (Instant::now(), scenario(4, queue));
    let seconds = OUTAGE.1 as usize + 50;
    let mut requests = Vec::new();
    for due in poisson_arrivals(rate, seconds as f64) {
        let (scenario, at) = (Arc::clone(&scenario), start + Duration::from_secs_f64(due));
        requests.push(tokio::spawn(async move {
            sleep_until(at).await;
            let mut attempts = 0;
            let mut good = false;
            while !good && attempts <= retries {
                attempts += 1;
                let scenario = Arc::clone(&scenario);
                // A separate task: the server continues after the client's timeout.
                let post = tokio::spawn(async move {
                    let store = async {
                        let (from, to) = (start + Duration::from_secs(OUTAGE.0), start + Duration::from_secs(OUTAGE.1));
                        if Instant::now() >= from {
                            sleep_until(to).await;
                        }
                        true
                    };
                    scenario.handle(store).await
                });
                good = matches!(timeout(TIMEOUT, post).await, Ok(Ok(PostResult::Stored)));
            }
            ((at - start).as_secs() as usize, good, attempts)
        }));
    }
    let mut bins = vec![(0u32, 0u32, 0u32); seconds];
    for request in requests {
        let (bin, good, attempts) = request.await.unwrap();
        let bin = &mut bins[bin];
        *bin = (bin.0 + 1, bin.1 + u32::from(good), bin.2 + attempts);
    }
    assert!(bins[..4].iter().all(|(all, good, _)| all == good), "healthy before the outage: {bins:?}");
    let after = &bins[OUTAGE.1 as usize..];
    let sum = |of: fn(&(u32, u32, u32)) -> u32| f64::from(after[after.len() - 20..].iter().map(of).sum::<u32>());
    let all = sum(|bin| bin.0);
    let goodput: Vec<(u32, u32)> = after.iter().map(|(all, good, _)| (*all, *good)).collect();
    StormResult { recovered: recovery(&goodput), goodput: sum(|bin| bin.1) / all, attempts: sum(|bin| bin.2) / all }
}

#[tokio::test(start_paused = true)]
async fn below_the_threshold_the_queue_shrinks_and_a_longer_queue_takes_longer() {
    // The time to recover is min(Q, lambda(1+r)D) / (mu - lambda(1+r)), plus random variation: over seven seeds it is 7 to
    // 11 s, and 28 to 33 s.
    for (queue, expected) in [(1000, 7..=11), (5000, 26..=33)] {
        let recovered = run_storm(100.0, 2, queue).await.recovered;
        assert!(recovered.is_some_and(|s| expected.contains(&s)), "{queue}: {recovered:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn above_the_threshold_each_request_is_attempted_three_times_forever() {
    for rate in [200.0, 300.0] {
        let result = run_storm(rate, 2, 1000).await;
        assert!(result.recovered.is_none() && result.goodput < 0.2 && result.attempts > 2.8, "{rate}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_queue_or_a_client_without_retries_recovers() {
    for (retries, queue) in [(2, 60), (0, 1000)] {
        let result = run_storm(300.0, retries, queue).await;
        assert!(result.recovered.is_some(), "{retries} retries, a queue of {queue}: {result:?}");
    }
}
