use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use super::*;
use crate::fault::FaultError;
use crate::fault::error::RESTORE;

/// Takes a second for each step, and fails those it is told to.
#[derive(Default)]
struct Mock {
    done: Arc<Mutex<Vec<&'static str>>>,
    /// A step fails as often as it stands here.
    failing: Vec<&'static str>,
    hanging: &'static str,
    /// What each step reports came about so long before.
    ago: Option<Time>,
}

impl Mock {
    fn step(&mut self, step: &'static str) -> StepFuture<'_> {
        Box::pin(async move {
            if self.hanging == step {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_secs(1)).await;
            self.done.lock().unwrap().push(step);
            match self.failing.iter().position(|s| *s == step) {
                Some(at) => {
                    self.failing.swap_remove(at);
                    Err(FaultError::new(step, "a mock", RESTORE)("so told"))
                }
                None => Ok(StepReport::from(format!("{step} done")).since(self.ago)),
            }
        })
    }
}

impl Fault for Mock {
    fn kind(&self) -> &str {
        "mock"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        self.step("apply")
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        self.step("verify-applied")
    }

    fn remove(&mut self) -> StepFuture<'_> {
        self.step("remove")
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        self.step("verify-removed")
    }
}

/// Drives the mock from second 10 for 20 s, cancelled at a second if given. What became of it, the events as
/// `second step`, and the steps that were done.
async fn driven(mut mock: Mock, cancel_at: Option<u64>) -> (Outcome, Vec<String>, Vec<&'static str>) {
    let start = Instant::now();
    let (events, mut seen) = unbounded_channel();
    let (cancel, cancelled) = watch::channel(false);
    let schedule = Schedule { at: Time::from_secs(10), lasting: Time::from_secs(20) };
    let now = move || crate::units::Instant(start.elapsed().as_nanos() as u64);
    let done = Arc::clone(&mock.done);
    let (outcome, ()) = tokio::join!(drive(&mut mock, 3, schedule, now, events, cancelled), async {
        match cancel_at {
            Some(at) => {
                sleep(Duration::from_secs(at)).await;
                cancel.send_replace(true);
            }
            None => sleep(Duration::from_secs(100)).await,
        }
    });
    let mut texts = Vec::new();
    while let Ok(Event { at, what }) = seen.try_recv() {
        let EventKind::Fault { fault: 3, kind, step, .. } = what else { panic!("{what:?}") };
        assert_eq!(kind, "mock");
        texts.push(format!("{} {step:?}", at.0 / 1_000_000_000));
    }
    let done = done.lock().unwrap().clone();
    (outcome, texts, done)
}

const ALL: [&str; 4] = ["apply", "verify-applied", "remove", "verify-removed"];

#[tokio::test(start_paused = true)]
async fn a_fault_is_applied_and_removed_on_the_run_s_clock() {
    let (outcome, events, done) = driven(Mock::default(), None).await;
    assert_eq!(outcome, Outcome::Verified);
    assert_eq!(events, ["10 Commanded", "12 Effective", "30 RemovalCommanded", "32 RemovalVerified"]);
    assert_eq!(done, ALL);
}

#[tokio::test(start_paused = true)]
async fn what_came_about_earlier_than_it_was_seen_counts_from_then_on_but_never_from_before_its_command() {
    let after = async |ms| driven(Mock { ago: Some(Time::from_millis(ms)), ..Mock::default() }, None).await.1;
    assert_eq!(after(1500).await[1], "10 Effective");
    assert_eq!(after(1500).await[3], "30 RemovalVerified");
    assert_eq!(after(2500).await[1], "12 Effective", "it has another cause, or another clock");
}

#[tokio::test(start_paused = true)]
async fn restore_is_only_advised_where_something_may_be_left() {
    for (failing, advised) in [("apply", false), ("verify-applied", false), ("remove", true)] {
        let (events, mut seen) = unbounded_channel();
        let (_cancel, cancelled) = watch::channel(false);
        let start = Instant::now();
        let now = move || crate::units::Instant(start.elapsed().as_nanos() as u64);
        let mut mock = Mock { failing: vec![failing; 3], ..Mock::default() };
        drive(&mut mock, 0, Schedule { at: Time::ZERO, lasting: Time::ZERO }, now, events, cancelled).await;
        let mut failures = std::iter::from_fn(|| seen.try_recv().ok()).filter_map(|event| match event.what {
            EventKind::Fault { step: FaultStep::Failed, detail, .. } => Some(detail),
            _ => None,
        });
        let failure = failures.next().unwrap();
        assert!(failure.starts_with(&format!("cannot {failing} a mock: so told")), "{failure}");
        assert_eq!(failure.contains("metawrk restore"), advised, "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_before_it_is_due_nothing_is_touched() {
    let (outcome, events, done) = driven(Mock::default(), Some(9)).await;
    assert_eq!((outcome, events.len(), done.len()), (Outcome::Untouched, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_it_lasts_it_is_removed_at_once() {
    let (outcome, events, done) = driven(Mock::default(), Some(15)).await;
    assert_eq!(outcome, Outcome::Verified);
    assert_eq!(events, ["10 Commanded", "12 Effective", "15 RemovalCommanded", "17 RemovalVerified"]);
    assert_eq!(done, ALL);
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_it_is_applied_it_is_removed_after_that() {
    let (outcome, events, done) = driven(Mock::default(), Some(11)).await;
    assert_eq!(outcome, Outcome::Verified);
    assert_eq!(events, ["10 Commanded", "12 Effective", "12 RemovalCommanded", "14 RemovalVerified"]);
    assert_eq!(done, ALL);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_take_effect_is_removed_all_the_same() {
    for failing in ["apply", "verify-applied"] {
        let (outcome, events, done) = driven(Mock { failing: vec![failing], ..Mock::default() }, None).await;
        assert_eq!(outcome, Outcome::Ineffective, "{failing}");
        assert_eq!(
            events.iter().map(|e| e.split(' ').next_back().unwrap()).collect::<Vec<_>>(),
            ["Commanded", "Failed", "RemovalCommanded", "RemovalVerified"]
        );
        assert!(done.ends_with(&["remove", "verify-removed"]), "{done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_hangs_does_not_keep_it_from_being_removed() {
    let (outcome, events, done) = driven(Mock { hanging: "apply", ..Mock::default() }, None).await;
    assert_eq!(outcome, Outcome::Ineffective);
    assert_eq!(events, ["10 Commanded", "40 Failed", "40 RemovalCommanded", "42 RemovalVerified"]);
    assert_eq!(done, ["remove", "verify-removed"]);
}

#[tokio::test(start_paused = true)]
async fn removal_is_tried_again() {
    let (outcome, events, _) =
        driven(Mock { failing: vec!["remove", "verify-removed"], ..Mock::default() }, None).await;
    assert_eq!(outcome, Outcome::Verified);
    assert_eq!(events.last().unwrap(), "37 RemovalVerified");
}

#[tokio::test(start_paused = true)]
async fn removal_that_never_comes_true_is_said() {
    let (outcome, events, _) = driven(Mock { failing: vec!["verify-removed"; 3], ..Mock::default() }, None).await;
    assert_eq!(outcome, Outcome::Stuck);
    assert_eq!(events, ["10 Commanded", "12 Effective", "30 RemovalCommanded", "38 Failed"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_who_could_cancel_is_a_cancellation() {
    let (events, _seen) = unbounded_channel();
    let (cancel, cancelled) = watch::channel(false);
    drop(cancel);
    let schedule = Schedule { at: Time::from_secs(10), lasting: Time::from_secs(20) };
    assert_eq!(
        drive(&mut Mock::default(), 0, schedule, || crate::units::Instant::START, events, cancelled).await,
        Outcome::Untouched
    );
}
