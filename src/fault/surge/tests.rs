use proptest::prelude::*;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::fault::{Outcome, Schedule, drive};
use crate::record::{Event, EventKind, FaultStep};

/// From second 10 for 10 s three times 100 requests/s are due, at fixed gaps.
const SURGE: Size = Size { rate: 100.0, factor: 3.0 };

fn due(at: f64) -> f64 {
    100.0 * (at + 2.0 * (at - 10.0).clamp(0.0, 10.0))
}

/// Drives it over a load that has sent so many requests by a second. What became of it, and its events by ms.
async fn driven(sent: fn(f64) -> f64) -> (Outcome, Vec<(u64, FaultStep, String)>) {
    let start = tokio::time::Instant::now();
    let now = move || Instant(start.elapsed().as_nanos() as u64);
    let count = move || {
        let second = now().as_secs_f64();
        LoadCount { at: now(), due: due(second).round() as u64, sent: sent(second).round() as u64 }
    };
    let (tell, mut told) = mpsc::unbounded_channel();
    let (_cancel, cancelled) = watch::channel(false);
    let schedule = Schedule { at: Time::from_secs(10), lasting: Time::from_secs(10) };
    let mut surge = SurgeFault::new(SURGE, Instant(20_000_000_000), Box::new(count));
    let outcome = drive(&mut surge, 0, schedule, now, tell, cancelled).await;
    let events = std::iter::from_fn(|| told.try_recv().ok()).map(|Event { at, what }| match what {
        EventKind::Fault { step, detail, .. } => (at.0 / 1_000_000, step, detail),
        other => panic!("{other:?}"),
    });
    (outcome, events.collect())
}

fn instants(events: &[(u64, FaultStep, String)]) -> Vec<(u64, FaultStep)> {
    events.iter().map(|(at, step, _)| (*at, *step)).collect()
}

use FaultStep::{Commanded, Effective, Failed, RemovalCommanded, RemovalVerified};

#[tokio::test(start_paused = true)]
async fn a_surge_that_is_sent_as_planned_counts_from_its_planned_instants() {
    let (outcome, events) = driven(due).await;
    assert_eq!(outcome, Outcome::Verified);
    let planned = [(10_000, Commanded), (10_000, Effective), (20_000, RemovalCommanded), (20_000, RemovalVerified)];
    assert_eq!(instants(&events), planned);
    let detail = |i: usize| events[i].2.as_str();
    assert_eq!(detail(1), "60 requests sent in 0.20 s, 60 due");
    assert_eq!(detail(3), "20 requests sent in 0.20 s, 20 due");
}

#[tokio::test(start_paused = true)]
async fn a_stall_at_its_begin_does_not_hide_it() {
    let stalled = |at: f64| if (10.0..10.5).contains(&at) { 1000.0 } else { due(at) };
    let (outcome, events) = driven(stalled).await;
    assert_eq!((outcome, instants(&events)[1]), (Outcome::Verified, (10_000, Effective)));
}

#[tokio::test(start_paused = true)]
async fn a_surge_that_is_not_sent_never_took_effect() {
    // As many as before: all connections are busy.
    let (outcome, events) = driven(|at| 100.0 * at).await;
    assert_eq!(outcome, Outcome::Ineffective);
    let seen = instants(&events);
    assert_eq!((seen[1].1, seen[3].1), (Failed, RemovalVerified));
    insta::assert_snapshot!(events[1].2, @r#"cannot send the surge: 1000 requests sent in 10.00 s, 3000 due. Set when-busy = "open" in [load], or more connections."#);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_catches_up_has_not_returned_yet() {
    // Half of what is due is held back for 5 s of the surge, and sent at twice the rate from second 20 on.
    let late = |at: f64| {
        let held = 150.0 * (at - 15.0).clamp(0.0, 5.0);
        due(at) - (held - 100.0 * (at - 20.0).clamp(0.0, 7.5)).max(0.0)
    };
    let (outcome, events) = driven(late).await;
    assert_eq!(outcome, Outcome::Verified);
    let (at, step) = instants(&events)[3];
    assert!(step == RemovalVerified && (27_300..=27_700).contains(&at), "{at}");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_never_returns_is_said() {
    let (outcome, events) = driven(|at| due(at) + 200.0 * (at - 20.0).max(0.0)).await;
    assert_eq!(outcome, Outcome::Stuck);
    assert!(
        events.last().is_some_and(|(_, step, detail)| *step == Failed && detail.contains("held back")),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_load_that_sends_nothing_any_more_has_no_surge() {
    // The system is stuck, and every connection with it.
    let (outcome, _) = driven(|at| due(at.min(19.0))).await;
    assert_eq!(outcome, Outcome::Verified);
}

proptest! {
    #[test]
    fn a_window_tells_the_two_loads_apart(rate in 1.0..1e5f64, factor in 1.1..50.0f64) {
        let size = Size { rate, factor };
        let window = size.window();
        let seconds = window.as_secs_f64();
        let begin = LoadCount { at: Instant::START, due: 0, sent: 0 };
        let at = Instant::START.plus(window);
        let end = |due: f64, sent: f64| LoadCount { at, due: (due * seconds) as u64, sent: (sent * seconds) as u64 };
        prop_assert!(size.came(begin, end(rate * factor, rate * factor)));
        prop_assert!(!size.came(begin, end(rate * factor, rate)));
        prop_assert!(size.went(begin, end(rate, rate)));
        prop_assert!(!size.went(begin, end(rate, rate * factor)));
    }
}
