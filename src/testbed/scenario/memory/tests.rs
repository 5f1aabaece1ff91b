//! The memory scenario on simulated time, with and without an outage of post-storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{Instant, sleep};

use super::*;
use crate::testbed::scenario::simulated::{SimulatedClock, poisson_arrivals, recovery};

/// A number of bytes that blocks are taken from.
#[derive(Clone)]
struct Budget(Arc<AtomicUsize>);

struct BudgetBlock(Budget, usize);

impl Budget {
    fn mib(mib: usize) -> Budget {
        Budget(Arc::new(AtomicUsize::new(mib * MIB)))
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Memory for Budget {
    type Block = BudgetBlock;

    fn take(&self, bytes: usize) -> Option<BudgetBlock> {
        let take = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok().map(|_| BudgetBlock(self.clone(), bytes))
    }
}

impl Drop for BudgetBlock {
    fn drop(&mut self) {
        self.0.0.fetch_add(self.1, Ordering::Relaxed);
    }
}

fn scenario(memory: &Budget, hold: Duration) -> MemoryScenario<Budget, SimulatedClock> {
    MemoryScenario { memory: memory.clone(), clock: SimulatedClock, hold, leaks: false }
}

const HOLD: Duration = Duration::from_millis(100);
const CALL: Duration = Duration::from_millis(7);

/// Handles one post whose storage call takes [`CALL`]: the memory left during the call, the result, and the time.
async fn handle_one(memory: &Budget, stored: bool) -> (usize, PostResult, Duration) {
    let start = Instant::now();
    let mut during = 0;
    let store = async {
        sleep(CALL).await;
        during = memory.left();
        stored
    };
    let result = scenario(memory, HOLD).handle(store).await;
    (during, result, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_healthy_post_holds_5_mib_during_its_storage_call() {
    let memory = Budget::mib(124);
    assert_eq!(handle_one(&memory, true).await, (119 * MIB, PostResult::Stored, CALL));
    assert_eq!(memory.left(), 124 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_failed_storage_call_holds_50_mib_for_4_s() {
    let memory = Budget::mib(124);
    let post = tokio::spawn({
        let memory = memory.clone();
        async move { handle_one(&memory, false).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(memory.left(), 74 * MIB);
    assert_eq!(post.await.unwrap(), (119 * MIB, PostResult::StorageFailed, CALL + FAILURE_HOLD));
    assert_eq!(memory.left(), 124 * MIB);
}

#[tokio::test(start_paused = true)]
async fn only_a_failed_storage_call_leaks_the_memory_of_its_request() {
    let memory = Budget::mib(124);
    let leaking = MemoryScenario { leaks: true, ..scenario(&memory, HOLD) };
    assert_eq!(leaking.handle(async { true }).await, PostResult::Stored);
    assert_eq!(memory.left(), 124 * MIB);
    for lost in 1..=3 {
        assert_eq!(leaking.handle(async { false }).await, PostResult::StorageFailed);
        assert_eq!(memory.left(), (124 - 5 * lost) * MIB);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_storage_call_without_50_mib_is_out_of_memory_after_20_tries() {
    let (_, result, took) = handle_one(&Budget::mib(49), false).await;
    assert_eq!((result, took), (PostResult::OutOfMemory, CALL + TRY_EVERY * 19));
}

#[tokio::test(start_paused = true)]
async fn a_post_without_memory_waits_for_10_mib_holds_them_and_is_then_stored() {
    let memory = Budget::mib(14);
    let taken = memory.take(10 * MIB).unwrap();
    let post = tokio::spawn({
        let memory = memory.clone();
        async move { handle_one(&memory, true).await }
    });
    sleep(Duration::from_millis(350)).await;
    drop(taken);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(memory.left(), 4 * MIB);
    // The costly block is held for `hold`, but not during the call.
    assert_eq!(post.await.unwrap(), (14 * MIB, PostResult::Stored, Duration::from_millis(400) + HOLD + CALL));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_never_gets_10_mib_is_out_of_memory_after_100_tries() {
    let (_, result, took) = handle_one(&Budget::mib(4), true).await;
    assert_eq!((result, took), (PostResult::OutOfMemory, TRY_EVERY * 99));
}

/// A Poisson load at `rate` requests/s with an outage of post-storage from second 5 on, for `outage` seconds. Goodput is the
/// share of posts that are stored within 1 s. Returns the seconds from the end of the outage to the recovery of goodput, and
/// the mean goodput of the last 20 s. The run ends `observed` seconds after the outage.
async fn run_outage(rate: f64, hold: Duration, outage: u64, observed: u64) -> (Option<u64>, f64) {
    let (start, memory) = (Instant::now(), Budget::mib(124));
    let outage_end = 5 + outage;
    let seconds = (outage_end + observed) as usize;
    let mut posts = Vec::new();
    for due in poisson_arrivals(rate, seconds as f64) {
        let (scenario, at) = (scenario(&memory, hold), start + Duration::from_secs_f64(due));
        posts.push(tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let store = async {
                let since = start.elapsed().as_secs();
                let down = since >= 5 && since < outage_end;
                sleep(if down { Duration::from_millis(300) } else { CALL }).await;
                !down
            };
            let result = scenario.handle(store).await;
            ((at - start).as_secs() as usize, result == PostResult::Stored && at.elapsed() <= Duration::from_secs(1))
        }));
    }
    let mut bins = vec![(0u32, 0u32); seconds];
    for post in posts {
        let (bin, good) = post.await.unwrap();
        bins[bin].0 += 1;
        bins[bin].1 += u32::from(good);
    }
    assert!(bins[..4].iter().all(|(all, good)| all == good), "healthy before the outage: {bins:?}");
    let after = &bins[outage_end as usize..];
    let (all, good) = after[after.len() - 20..].iter().fold((0, 0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1));
    (recovery(after), f64::from(good) / f64::from(all))
}

#[tokio::test(start_paused = true)]
async fn below_the_threshold_the_system_recovers() {
    for rate in [50.0, 100.0] {
        let (recovered, _) = run_outage(rate, HOLD, 20, 40).await;
        assert!(recovered.is_some_and(|s| (1..=18).contains(&s)), "{rate}/s: {recovered:?}");
    }
    let (recovered, _) = run_outage(20.0, HOLD * 5, 20, 60).await;
    assert!(recovered.is_some(), "20/s: {recovered:?}");
}

#[tokio::test(start_paused = true)]
async fn above_the_threshold_the_system_stays_stuck() {
    for (rate, hold) in [(150.0, HOLD), (300.0, HOLD), (30.0, HOLD * 5)] {
        let (recovered, goodput) = run_outage(rate, hold, 10, 40).await;
        assert!(recovered.is_none() && goodput < 0.2, "{rate}/s: {recovered:?}, {goodput}");
    }
}
