//! The retry storm's known answers, on made-up time: 4 workers of 10 ms, a client that gives up after 200 ms.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::*;

/// tokio's time, which stands still while anything is to be done.
struct Paused;

impl Sleep for Paused {
    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }
}

const SERVICE: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn workers_serve_in_order_and_refuse_what_the_queue_has_no_room_for() {
    let workers = Arc::new(Workers::new(1, 2, SERVICE));
    let start = Instant::now();
    let requests: Vec<_> = (0..4)
        .map(|_| {
            let workers = Arc::clone(&workers);
            tokio::spawn(async move { (workers.serve(&Paused, async { true }).await, start.elapsed()) })
        })
        .collect();
    let mut served = Vec::new();
    for request in requests {
        served.push(request.await.unwrap());
    }
    let at = |n| (Served::Stored, SERVICE * n);
    assert_eq!(served, [at(1), at(2), at(3), (Served::Refused, Duration::ZERO)]);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_takes_longer_keeps_its_worker_and_one_that_fails_is_told() {
    let workers = Workers::new(1, 0, SERVICE);
    let start = Instant::now();
    let slow = async {
        sleep(SERVICE * 3).await;
        false
    };
    assert_eq!((workers.serve(&Paused, slow).await, start.elapsed()), (Served::StorageFailed, SERVICE * 3));
}

const TIMEOUT: Duration = Duration::from_millis(200);
/// The outage, in seconds of the run.
const DOWN: (u64, u64) = (5, 15);

/// What a load saw: when its goodput was whole again for good, in seconds after the outage, its mean over the last 20 s,
/// and attempts per request over those.
#[derive(Debug)]
struct Seen {
    recovered: Option<u64>,
    goodput: f64,
    attempts: f64,
}

/// `rate` requests/s that are tried `retries` times more, each at once after the one before it failed; the storage hangs
/// during the outage.
async fn storm(rate: f64, retries: u32, queue: usize) -> Seen {
    let (start, workers) = (Instant::now(), Arc::new(Workers::new(4, queue, SERVICE)));
    let seconds = DOWN.1 as usize + 50;
    let (mut random, mut due, mut requests) = (ChaCha8Rng::seed_from_u64(1), 0.0, Vec::new());
    loop {
        // Poisson arrivals.
        due -= (1.0 - (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64).ln() / rate;
        if due >= seconds as f64 {
            break;
        }
        let (workers, at) = (Arc::clone(&workers), start + Duration::from_secs_f64(due));
        requests.push(tokio::spawn(async move {
            sleep_until(at).await;
            let mut attempts = 0;
            let mut good = false;
            while !good && attempts <= retries {
                attempts += 1;
                let workers = Arc::clone(&workers);
                let served = tokio::spawn(async move {
                    let store = async {
                        let (from, to) = (start + Duration::from_secs(DOWN.0), start + Duration::from_secs(DOWN.1));
                        if Instant::now() >= from {
                            sleep_until(to).await;
                        }
                        true
                    };
                    workers.serve(&Paused, store).await
                });
                // The work goes on when nobody awaits it.
                good = matches!(timeout(TIMEOUT, served).await, Ok(Ok(Served::Stored)));
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
    let after = &bins[DOWN.1 as usize..];
    let whole =
        after.iter().rposition(|(all, good, _)| f64::from(*good) < 0.9 * f64::from(*all)).map_or(0, |at| at + 1);
    let sum = |of: fn(&(u32, u32, u32)) -> u32| f64::from(after[after.len() - 20..].iter().map(of).sum::<u32>());
    let all = sum(|bin| bin.0);
    Seen {
        recovered: (whole < after.len()).then_some(whole as u64),
        goodput: sum(|bin| bin.1) / all,
        attempts: sum(|bin| bin.2) / all,
    }
}

#[tokio::test(start_paused = true)]
async fn below_mu_over_one_and_r_the_queue_shrinks_and_the_longer_it_is_the_longer_that_takes() {
    // min(Q, lambda(1+r)D) / (mu - lambda(1+r)), and what chance makes of it: over seven seeds 7 to 11, and 28 to 33.
    for (queue, within) in [(1000, 7..=11), (5000, 26..=33)] {
        let recovered = storm(100.0, 2, queue).await.recovered;
        assert!(recovered.is_some_and(|s| within.contains(&s)), "{queue}: {recovered:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn above_it_each_request_is_made_three_times_for_ever() {
    for rate in [200.0, 300.0] {
        let seen = storm(rate, 2, 1000).await;
        assert!(seen.recovered.is_none() && seen.goodput < 0.2 && seen.attempts > 2.8, "{rate}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_queue_or_a_client_that_does_not_insist_recovers() {
    for (retries, queue) in [(2, 60), (0, 1000)] {
        let seen = storm(300.0, retries, queue).await;
        assert!(seen.recovered.is_some(), "{retries} retries, a queue of {queue}: {seen:?}");
    }
}
