//! `link-delay`: all that passes the testbed's link takes longer, each way.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LinkSpec, PATIENCE, command, probe_until};
use crate::fault::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::testbed::{LinkCommand, LinkHandle};
use crate::units::Time;

/// The link takes longer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkDelay {
    /// Each way.
    pub delay: Time,
}

/// What requests can show within seconds: a probe takes four times the delay.
const DELAYS: RangeInclusive<Time> = Time::from_millis(10)..=Time::from_secs(5);

impl Spec for LinkDelay {
    fn example() -> &'static str {
        "kind = \"link-delay\"\ndelay = \"50ms\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Link
    }

    fn size(&self) -> Option<String> {
        Some(format!("of {} each way", self.delay))
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        match DELAYS.contains(&self.delay) {
            true => Ok(()),
            false => Err(InvalidKey::new("delay", "must be between 10ms and 5s")),
        }
    }
}

impl LinkSpec for LinkDelay {
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault> {
        Box::new(LinkDelayFault { link, delay: self.delay })
    }
}

struct LinkDelayFault {
    link: LinkHandle,
    delay: Time,
}

/// Requests at once, of which the fastest counts: a busy machine delays some.
const REQUESTS: usize = 3;

impl LinkDelayFault {
    /// What a request on a new connection takes at least: two round trips.
    fn least(&self) -> Duration {
        self.delay.std() * 4
    }

    async fn fastest(&self) -> Duration {
        let times = self.link.response_times(REQUESTS, 0, self.least() + PATIENCE).await;
        times.into_iter().min().unwrap_or_default()
    }

    async fn probe(
        &self,
        action: &'static str,
        is_so: fn(Duration, Duration) -> bool,
    ) -> Result<StepReport, FaultError> {
        probe_until(&self.link, action, || async {
            let (fastest, least) = (self.fastest().await, self.least());
            let seen = format!("a request through it takes {fastest:.1?}");
            if is_so(fastest, least) { Ok(seen) } else { Err(format!("{seen}; delayed it takes {least:?} at least")) }
        })
        .await
    }
}

impl Fault for LinkDelayFault {
    fn kind(&self) -> &str {
        "link-delay"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Delay(self.delay)))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.probe("verify the delay of", |fastest, least| fastest >= least))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.probe("verify the end of the delay of", |fastest, least| fastest < least / 2))
    }
}
