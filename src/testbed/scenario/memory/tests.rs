use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

use super::*;

/// So many bytes, and no more.
#[derive(Clone)]
struct Budget(Arc<AtomicUsize>);

struct Taken(Budget, usize);

impl Budget {
    fn mib(mib: usize) -> Budget {
        Budget(Arc::new(AtomicUsize::new(mib * MIB)))
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Memory for Budget {
    type Block = Taken;

    fn take(&self, bytes: usize) -> Option<Taken> {
        let take = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok().map(|_| Taken(self.clone(), bytes))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.0.fetch_add(self.1, Ordering::Relaxed);
    }
}

/// tokio's time, which stands still while anything is to be done.
struct Paused;

impl Sleep for Paused {
    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }
}

const HOLD: Duration = Duration::from_millis(100);
const CALL: Duration = Duration::from_millis(7);

/// Serves one request whose storage call takes [`CALL`]; the memory left during the call, what came of it, and when.
async fn one(memory: &Budget, stored: bool) -> (usize, Served, Duration) {
    let start = Instant::now();
    let mut during = 0;
    let store = async {
        sleep(CALL).await;
        during = memory.left();
        stored
    };
    let served = serve(memory, &Paused, HOLD, store).await;
    (during, served, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_healthy_request_holds_memory_through_its_storage_call() {
    let memory = Budget::mib(124);
    assert_eq!(one(&memory, true).await, (119 * MIB, Served::Stored, CALL));
    assert_eq!(memory.left(), 124 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_holds_much_more_for_four_seconds() {
    let memory = Budget::mib(124);
    let request = tokio::spawn({
        let memory = memory.clone();
        async move { one(&memory, false).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(memory.left(), 74 * MIB);
    assert_eq!(request.await.unwrap(), (119 * MIB, Served::StorageFailed, CALL + FAILURE_HOLD));
    assert_eq!(memory.left(), 124 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_without_memory_to_deal_with_it_is_given_up_after_20_tries() {
    let (_, served, took) = one(&Budget::mib(49), false).await;
    assert_eq!((served, took), (Served::GivenUp, CALL + TRY_EVERY * 19));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_memory_waits_for_the_costly_path_and_is_served() {
    let memory = Budget::mib(14);
    let taken = memory.take(10 * MIB).unwrap();
    let request = tokio::spawn({
        let memory = memory.clone();
        async move { one(&memory, true).await }
    });
    sleep(Duration::from_millis(350)).await;
    drop(taken);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(memory.left(), 4 * MIB);
    // The costly block is held for `hold`, and not through the call.
    assert_eq!(request.await.unwrap(), (14 * MIB, Served::Stored, Duration::from_millis(400) + HOLD + CALL));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_gets_memory_is_given_up_after_100_tries() {
    let (_, served, took) = one(&Budget::mib(4), true).await;
    assert_eq!((served, took), (Served::GivenUp, TRY_EVERY * 99));
}

/// Goodput (served within a second, of those due) after an outage from second 5 for `outage` seconds: when it was whole
/// again for good, in seconds after the outage, and its mean over the last 20 s of the `observed` after the outage.
async fn after_outage(rate: f64, hold: Duration, outage: u64, observed: u64) -> (Option<u64>, f64) {
    let (start, memory) = (Instant::now(), Budget::mib(124));
    let healed = 5 + outage;
    let seconds = (healed + observed) as usize;
    let (mut random, mut due, mut requests) = (ChaCha8Rng::seed_from_u64(1), 0.0, Vec::new());
    loop {
        // Poisson arrivals.
        due -= (1.0 - (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64).ln() / rate;
        if due >= seconds as f64 {
            break;
        }
        let (memory, at) = (memory.clone(), start + Duration::from_secs_f64(due));
        requests.push(tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let store = async {
                let since = start.elapsed().as_secs();
                let down = since >= 5 && since < healed;
                sleep(if down { Duration::from_millis(300) } else { CALL }).await;
                !down
            };
            let served = serve(&memory, &Paused, hold, store).await;
            ((at - start).as_secs() as usize, served == Served::Stored && at.elapsed() <= Duration::from_secs(1))
        }));
    }
    let mut bins = vec![(0u32, 0u32); seconds];
    for request in requests {
        let (bin, good) = request.await.unwrap();
        bins[bin].0 += 1;
        bins[bin].1 += u32::from(good);
    }
    assert!(bins[..4].iter().all(|(all, good)| all == good), "healthy before the outage: {bins:?}");
    let after = &bins[healed as usize..];
    let whole = after.iter().rposition(|(all, good)| f64::from(*good) < 0.9 * f64::from(*all)).map_or(0, |at| at + 1);
    let (all, good) = after[after.len() - 20..].iter().fold((0, 0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1));
    ((whole < after.len()).then_some(whole as u64), f64::from(good) / f64::from(all))
}

#[tokio::test(start_paused = true)]
async fn below_the_stable_rate_the_system_recovers() {
    for rate in [50.0, 100.0] {
        let (recovered, _) = after_outage(rate, HOLD, 20, 40).await;
        assert!(recovered.is_some_and(|s| (1..=18).contains(&s)), "{rate}/s: {recovered:?}");
    }
    let (recovered, _) = after_outage(20.0, HOLD * 5, 20, 60).await;
    assert!(recovered.is_some(), "20/s: {recovered:?}");
}

#[tokio::test(start_paused = true)]
async fn above_the_stable_rate_it_stays_broken() {
    for (rate, hold) in [(150.0, HOLD), (300.0, HOLD), (30.0, HOLD * 5)] {
        let (recovered, goodput) = after_outage(rate, hold, 10, 40).await;
        assert!(recovered.is_none() && goodput < 0.2, "{rate}/s: {recovered:?}, {goodput}");
    }
}
