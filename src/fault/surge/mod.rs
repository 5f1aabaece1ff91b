//! `surge`: for a while the load is a multiple of what it is before and after.
//!
//! It is part of the load's plan, since when requests are due depends on the plan and the seed alone. So there is nothing
//! to apply and to remove: the steps verify that the load really sends what the plan has due, in the surge and after it.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::units::{Instant, Time};

/// The load is a multiple of its rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// What the rate is multiplied by.
    pub factor: f64,
}

/// A smaller surge is hard to tell from none.
const FACTORS: RangeInclusive<f64> = 1.1..=100.0;
/// The longest that a count may take: it is a step of a fault, and a step that takes longer counts as hanging.
const MOST_WINDOW: Time = Time::from_secs(20);

impl Spec for Surge {
    fn example() -> &'static str {
        "kind = \"surge\"\nfactor = 4\nfor = \"10s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Load
    }

    fn size(&self) -> Option<String> {
        Some(format!("of {} times the load", self.factor))
    }

    fn check(&self, context: &CheckContext) -> Result<(), InvalidKey> {
        if !FACTORS.contains(&self.factor) {
            return Err(InvalidKey::new("factor", "must be between 1.1 and 100"));
        }
        let window = Size { rate: context.rate, factor: self.factor }.window();
        // In ms: nobody types ns.
        let least = Time(window.0.next_multiple_of(1_000_000));
        if least > MOST_WINDOW {
            let why = format!(
                "adds too few requests at this rate: only {least} would show them, and {MOST_WINDOW} is the most; raise \
                 it, or the rate"
            );
            return Err(InvalidKey::new("factor", why));
        }
        if context.lasts < least {
            let why = format!("must be at least {least} at this rate, so that the surge shows in what is sent");
            return Err(InvalidKey::new("for", why));
        }
        Ok(())
    }
}

/// A fault on the load. It is part of the load's plan.
pub trait LoadSpec: Spec {
    /// What the rate is multiplied by while it lasts.
    fn factor(&self) -> f64;

    /// Verifies it. It is planned to end at `until`; `count` counts the requests of the load, whose rate without the
    /// fault is `rate` requests/s.
    fn fault(&self, rate: f64, until: Instant, count: CountLoad) -> Box<dyn Fault>;
}

impl LoadSpec for Surge {
    fn factor(&self) -> f64 {
        self.factor
    }

    fn fault(&self, rate: f64, until: Instant, count: CountLoad) -> Box<dyn Fault> {
        Box::new(SurgeFault::new(Size { rate, factor: self.factor }, until, count))
    }
}

/// Counts the requests of the load until now.
pub type CountLoad = Box<dyn FnMut() -> LoadCount + Send>;

/// The requests of a load until an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadCount {
    pub at: Instant,
    /// By the plan.
    pub due: u64,
    /// Really sent; retries are not counted.
    pub sent: u64,
}

/// Verifies that a surge comes and goes.
struct SurgeFault {
    count: CountLoad,
    size: Size,
    /// When it is planned to end.
    until: Instant,
    began: Option<LoadCount>,
}

/// What a surge adds to the load.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Size {
    /// Requests/s without it.
    rate: f64,
    /// What it is multiplied by; above 1.
    factor: f64,
}

/// The least time over which requests are counted: a stall of the machine is shorter.
const LEAST_WINDOW: Time = Time::from_millis(200);
/// The least number of requests that a surge must add in that time.
const LEAST_ADDED: f64 = 20.0;
/// What is sent may differ from what is due by this share of what the surge adds.
const TOLERANCE: f64 = 0.25;
/// A load that fell behind in a surge may take this long to catch up, at each try.
const PATIENCE: Time = Time::from_secs(20);
/// Between two counts.
const PAUSE: Duration = Duration::from_millis(20);

impl Size {
    /// Requests that it adds in this time.
    fn added(self, time: Time) -> f64 {
        self.rate * (self.factor - 1.0) * time.as_secs_f64()
    }

    /// How long a count must take to tell the load with it from the load without it.
    fn window(self) -> Time {
        let seconds = LEAST_ADDED / self.added(Time::from_secs(1));
        Time((seconds * 1e9).ceil() as u64).max(LEAST_WINDOW)
    }

    /// Between the two counts at least as many requests were sent as were due.
    fn came(self, from: LoadCount, to: LoadCount) -> bool {
        let missing = (to.due - from.due) as f64 - (to.sent - from.sent) as f64;
        missing <= TOLERANCE * self.added(to.at.since(from.at))
    }

    /// Between the two counts no more requests were sent than were due.
    fn went(self, from: LoadCount, to: LoadCount) -> bool {
        let above = (to.sent - from.sent) as f64 - (to.due - from.due) as f64;
        above <= TOLERANCE * self.added(to.at.since(from.at))
    }
}

impl SurgeFault {
    fn new(size: Size, until: Instant, count: CountLoad) -> SurgeFault {
        SurgeFault { count, size, until, began: None }
    }

    fn begin(&mut self) -> LoadCount {
        let now = (self.count)();
        self.began = Some(now);
        now
    }

    /// Counts from its start on: requests that a stall held back are sent after it.
    async fn verify_rise(&mut self) -> Result<StepReport, FaultError> {
        let from = self.began.unwrap_or_else(|| self.begin());
        let window = self.size.window();
        loop {
            let now = (self.count)();
            if now.at.since(from.at) >= window {
                if self.size.came(from, now) {
                    return Ok(counted(from, now));
                }
                if now.at >= self.until {
                    return Err(failed(
                        "send",
                        counted(from, now).text,
                        "Set when-busy = \"open\" in [load], or more connections.",
                    ));
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Counts one window after the other: while the load catches up, it is not as before.
    async fn verify_fall(&mut self) -> Result<StepReport, FaultError> {
        let mut from = self.began.unwrap_or_else(|| self.begin());
        let window = self.size.window();
        let give_up = from.at.plus(window.max(PATIENCE));
        loop {
            let now = (self.count)();
            if now.at.since(from.at) >= window {
                if self.size.went(from, now) {
                    return Ok(counted(from, now));
                }
                if now.at >= give_up {
                    let remedy =
                        "The load still sends what its connections held back: set when-busy = \"open\" in [load].";
                    return Err(failed("end", counted(from, now).text, remedy));
                }
                from = now;
            }
            sleep(PAUSE).await;
        }
    }
}

impl Fault for SurgeFault {
    fn kind(&self) -> &str {
        "surge"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        self.begin();
        let Size { rate, factor } = self.size;
        Box::pin(async move { Ok(format!("{} requests/s are due, not {rate}", rate * factor).into()) })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.verify_rise())
    }

    fn remove(&mut self) -> StepFuture<'_> {
        self.begin();
        let rate = self.size.rate;
        Box::pin(async move { Ok(format!("{rate} requests/s are due again").into()) })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.verify_fall())
    }
}

/// It came about at the first of the two counts.
fn counted(from: LoadCount, to: LoadCount) -> StepReport {
    let took = to.at.since(from.at);
    let (sent, due) = (to.sent - from.sent, to.due - from.due);
    StepReport::from(format!("{sent} requests sent in {:.2} s, {due} due", took.as_secs_f64())).since(Some(took))
}

fn failed(action: &'static str, why: String, remedy: &'static str) -> FaultError {
    FaultError::new(action, "the surge", remedy)(why)
}

#[cfg(test)]
mod tests;
