//! `surge`: for a while the load is a multiple of what it is before and after.
//!
//! It is part of the load's plan, since when requests are due depends on the plan and the seed alone. So there is nothing
//! to apply and to remove: this looks whether what the plan has due is what is really sent, in the surge and after it.

use std::time::Duration;

use tokio::time::sleep;

use super::{Fault, FaultError, StepFuture, StepReport};
use crate::units::Time;

/// A load at an instant: requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// In ns on the run's clock.
    pub at: u64,
    /// By the plan.
    pub due: u64,
    /// In truth; further attempts at a request are not counted again.
    pub sent: u64,
}

/// Sees a surge come and go.
pub struct Surge {
    look: Box<dyn FnMut() -> Look + Send>,
    size: Size,
    /// When it is to be over, in ns on the run's clock.
    until: u64,
    began: Option<Look>,
    since: Option<u64>,
}

/// What a surge adds to the load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Requests/s without it.
    pub rate: f64,
    /// So many times as many with it; above 1.
    pub factor: f64,
}

/// The least time over which requests are counted: a stall of the machine is shorter.
const LEAST_WINDOW: Time = Time::from_millis(200);
/// The least number of requests that a surge must add in that time.
const LEAST_ADDED: f64 = 20.0;
/// What is sent may differ from what is due by this share of what the surge adds.
const TOLERANCE: f64 = 0.25;
/// A load that fell behind in a surge may take this long to catch up, at each try.
const PATIENCE: Time = Time::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

impl Size {
    /// Requests that it adds in so many ns.
    fn added(self, ns: u64) -> f64 {
        self.rate * (self.factor - 1.0) * ns as f64 / 1e9
    }

    /// How long a look must take to tell the load with it from that without.
    pub fn window(self) -> Time {
        let seconds = LEAST_ADDED / self.added(1_000_000_000);
        Time((seconds * 1e9).ceil() as u64).max(LEAST_WINDOW)
    }

    /// Between the two looks at least as many requests were sent as were due.
    fn came(self, from: Look, to: Look) -> bool {
        let missing = (to.due - from.due) as f64 - (to.sent - from.sent) as f64;
        missing <= TOLERANCE * self.added(to.at - from.at)
    }

    /// Between the two looks no more requests were sent than were due.
    fn went(self, from: Look, to: Look) -> bool {
        let above = (to.sent - from.sent) as f64 - (to.due - from.due) as f64;
        above <= TOLERANCE * self.added(to.at - from.at)
    }
}

impl Surge {
    /// Over at `until`, in ns on the run's clock; `look` looks at the load.
    pub fn new(size: Size, until: u64, look: impl FnMut() -> Look + Send + 'static) -> Surge {
        Surge { look: Box::new(look), size, until, began: None, since: None }
    }

    fn begin(&mut self) -> Look {
        let now = (self.look)();
        self.began = Some(now);
        now
    }

    /// Counts from its begin on: what a stall held back is sent after it.
    async fn see_it_come(&mut self) -> Result<StepReport, FaultError> {
        let from = self.began.unwrap_or_else(|| self.begin());
        let window = self.size.window().0;
        loop {
            let now = (self.look)();
            if now.at - from.at >= window {
                if self.size.came(from, now) {
                    self.since = Some(from.at);
                    return Ok(counted(from, now).into());
                }
                if now.at >= self.until {
                    return Err(failed("send", counted(from, now), "take when-busy = \"open\", or more connections"));
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Counts over one window after the other: while what could not be sent is caught up, the load is not as before.
    async fn see_it_go(&mut self) -> Result<StepReport, FaultError> {
        let mut from = self.began.unwrap_or_else(|| self.begin());
        let window = self.size.window().0;
        let give_up = from.at + window.max(PATIENCE.0);
        loop {
            let now = (self.look)();
            if now.at - from.at >= window {
                if self.size.went(from, now) {
                    self.since = Some(from.at);
                    return Ok(counted(from, now).into());
                }
                if now.at >= give_up {
                    let remedy = "what the connections held back is still caught up: take when-busy = \"open\"";
                    return Err(failed("end", counted(from, now), remedy));
                }
                from = now;
            }
            sleep(PAUSE).await;
        }
    }
}

impl Fault for Surge {
    fn kind(&self) -> &str {
        "surge"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        self.begin();
        let Size { rate, factor } = self.size;
        Box::pin(async move { Ok(format!("{} requests/s are due, not {rate}", rate * factor).into()) })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.see_it_come())
    }

    fn remove(&mut self) -> StepFuture<'_> {
        self.since = None;
        self.begin();
        let rate = self.size.rate;
        Box::pin(async move { Ok(format!("{rate} requests/s are due again").into()) })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.see_it_go())
    }

    fn since(&self) -> Option<u64> {
        self.since
    }
}

fn counted(from: Look, to: Look) -> String {
    let seconds = (to.at - from.at) as f64 / 1e9;
    format!("{} requests sent in {seconds:.2} s, {} due", to.sent - from.sent, to.due - from.due)
}

fn failed(what: &'static str, why: String, remedy: &'static str) -> FaultError {
    FaultError { what: what.into(), on: "the surge".into(), why, remedy: remedy.into() }
}

#[cfg(test)]
mod tests;
