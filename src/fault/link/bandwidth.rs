//! `link-bandwidth`: the testbed's link passes only so many bytes per second, each way, all connections together.

use std::time::Duration;

use super::{PATIENCE, insist, tell};
use crate::fault::{Fault, FaultError, StepFuture, StepReport};
use crate::testbed::{Command, LinkHandle};

/// Makes the link a narrow one.
#[derive(Clone, Debug)]
pub struct LimitLink {
    link: LinkHandle,
    /// In bytes per second.
    bandwidth: u64,
}

/// How long what is sent to see it takes on the narrow link.
const TRANSFER: Duration = Duration::from_millis(400);
/// The most that one request carries: a head has room for it.
const MOST_BYTES: u64 = 8 * 1024;

impl LimitLink {
    /// `bandwidth` in bytes per second.
    pub fn new(link: LinkHandle, bandwidth: u64) -> LimitLink {
        LimitLink { link, bandwidth }
    }

    /// Sends so much that it takes [`TRANSFER`]; how long it took until all had passed.
    async fn transfer(&self) -> Duration {
        let bytes = (self.bandwidth as f64 * TRANSFER.as_secs_f64()) as u64;
        let requests = bytes.div_ceil(MOST_BYTES).max(1);
        let times = self.link.times(requests as usize, bytes.div_ceil(requests) as usize, TRANSFER + PATIENCE).await;
        times.into_iter().max().unwrap_or_default()
    }

    async fn look(&self, what: &'static str, is_so: fn(Duration) -> bool) -> Result<StepReport, FaultError> {
        insist(what, || async {
            let took = self.transfer().await;
            let seen = format!("what takes {TRANSFER:?} at {} bytes/s takes {took:.1?}", self.bandwidth);
            if is_so(took) { Ok(seen) } else { Err(seen) }
        })
        .await
    }
}

impl Fault for LimitLink {
    fn kind(&self) -> &str {
        "link-bandwidth"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Bandwidth(self.bandwidth)))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.look("verify the bandwidth of", |took| took >= TRANSFER))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.look("verify the full bandwidth of", |took| took < TRANSFER / 2))
    }
}
