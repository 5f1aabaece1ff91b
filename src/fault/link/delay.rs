//! `link-delay`: all that passes the testbed's link takes so much longer, each way.

use std::time::Duration;

use super::{PATIENCE, insist, tell};
use crate::fault::{Fault, FaultError, StepFuture, StepReport};
use crate::testbed::{Command, LinkHandle};
use crate::units::Time;

/// Makes the link a long one.
#[derive(Clone, Debug)]
pub struct DelayLink {
    link: LinkHandle,
    delay: Time,
}

/// Requests at once, of which the fastest counts: a busy machine delays some.
const REQUESTS: usize = 3;

impl DelayLink {
    /// `delay` each way.
    pub fn new(link: LinkHandle, delay: Time) -> DelayLink {
        DelayLink { link, delay }
    }

    /// What a request on a new connection takes at least: two round trips.
    fn least(&self) -> Duration {
        self.delay.std() * 4
    }

    async fn fastest(&self) -> Duration {
        let times = self.link.times(REQUESTS, 0, self.least() + PATIENCE).await;
        times.into_iter().min().unwrap_or_default()
    }

    async fn look(&self, what: &'static str, is_so: fn(Duration, Duration) -> bool) -> Result<StepReport, FaultError> {
        insist(what, || async {
            let (fastest, least) = (self.fastest().await, self.least());
            let seen = format!("a request through it takes {fastest:.1?}");
            if is_so(fastest, least) { Ok(seen) } else { Err(format!("{seen}; delayed it takes {least:?} at least")) }
        })
        .await
    }
}

impl Fault for DelayLink {
    fn kind(&self) -> &str {
        "link-delay"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Delay(self.delay)))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.look("verify the delay of", |fastest, least| fastest >= least))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.look("verify the end of the delay of", |fastest, least| fastest < least / 2))
    }
}
