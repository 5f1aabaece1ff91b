//! Carries out the steps of a fault when they are due, and removes it whatever happens in between.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Fault, FaultError, StepFuture, StepReport};
use crate::record::{Event, EventKind, FaultStep};
use crate::units::{Instant, Time};

/// When a fault is applied, and for how long, on the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub at: Time,
    /// It is removed at `at + lasting`, whatever applying it took. Zero for a fault that ends by itself.
    pub lasting: Time,
}

/// The outcome of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Cancelled before it was due: nothing was changed.
    Untouched,
    /// Applied and removed, both verified.
    Verified,
    /// Removed and verified, but it never took effect as it should.
    Ineffective,
    /// It could not be removed, or its removal could not be verified. Its target may not be as before.
    Stuck,
}

/// A step that takes longer has failed; the removal follows nevertheless.
const STEP: Duration = Duration::from_secs(30);
/// How many times the removal is tried.
const REMOVALS: u32 = 3;
const BETWEEN_REMOVALS: Duration = Duration::from_secs(1);

/// Applies `fault`, number `index` of the plan, when `schedule` says, and removes it. `now` is the run's clock. When
/// `cancel` turns true, or its sender is gone, the fault is removed at once.
///
/// Events go to `events`; it goes on where nothing receives them. Dropping this future leaves the fault as it is: cancel
/// it instead, and await it.
pub async fn drive(
    fault: &mut dyn Fault,
    index: usize,
    schedule: Schedule,
    now: impl Fn() -> Instant,
    events: UnboundedSender<Event>,
    mut cancel: watch::Receiver<bool>,
) -> Outcome {
    let kind = fault.kind().to_owned();
    let report = |step, report: StepReport, commanded: Instant| {
        let StepReport { text: detail, warnings, ago } = report;
        let what = EventKind::Fault { fault: index, kind: kind.clone(), step, detail, warnings };
        let now = now();
        // What came about before it was commanded has another cause, or another clock.
        let at = ago.map(|ago| now.minus(ago)).filter(|at| *at >= commanded).unwrap_or(now);
        // A run that is ending may not receive it any more.
        let _ = events.send(Event { at, what });
        at
    };
    let report_now = |step, text: String| report(step, text.into(), Instant::START);
    if !sleep_until(schedule.at, &now, &mut cancel).await {
        return Outcome::Untouched;
    }

    let commanded = report_now(FaultStep::Commanded, String::new());
    let applied = match limited(fault.apply(), &kind).await {
        Ok(_) => limited(fault.verify_applied(), &kind).await,
        Err(e) => Err(e),
    };
    let effective = applied.is_ok();
    match applied {
        Ok(detail) => {
            report(FaultStep::Effective, detail, commanded);
            sleep_until(schedule.at.plus(schedule.lasting), &now, &mut cancel).await;
        }
        // It may have taken effect in part, so it is removed at once.
        Err(why) => drop(report_now(FaultStep::Failed, why.before_removal().to_string())),
    }

    let commanded = report_now(FaultStep::RemovalCommanded, String::new());
    let mut failure = None;
    for attempt in 0..REMOVALS {
        if attempt > 0 {
            sleep(BETWEEN_REMOVALS).await;
        }
        let removed = match limited(fault.remove(), &kind).await {
            Ok(_) => limited(fault.verify_removed(), &kind).await,
            Err(e) => Err(e),
        };
        match removed {
            Ok(detail) => {
                report(FaultStep::RemovalVerified, detail, commanded);
                return if effective { Outcome::Verified } else { Outcome::Ineffective };
            }
            Err(why) => failure = Some(why),
        }
    }
    report_now(FaultStep::Failed, failure.map_or_else(String::new, |why| why.to_string()));
    Outcome::Stuck
}

async fn limited(step: StepFuture<'_>, kind: &str) -> Result<StepReport, FaultError> {
    let late = |_| {
        Err(FaultError::new("carry out", format!("a step of a {kind} fault"), "")(format!("not done within {STEP:?}")))
    };
    timeout(STEP, step).await.unwrap_or_else(late)
}

/// Sleeps until the run's clock shows `at`; `false` if cancelled before.
async fn sleep_until(at: Time, now: &impl Fn() -> Instant, cancel: &mut watch::Receiver<bool>) -> bool {
    loop {
        // Before the start of load the clock stands at zero, so one sleep may not be enough.
        let left = Instant::START.plus(at).since(now());
        if *cancel.borrow_and_update() {
            return false;
        }
        if left == Time::ZERO {
            return true;
        }
        tokio::select! {
            () = sleep(left.std()) => {}
            changed = cancel.changed() => if changed.is_err() { return false },
        }
    }
}

#[cfg(test)]
mod tests;
