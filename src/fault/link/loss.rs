//! `link-loss`: a share of what passes the testbed's link is lost, and sent again by who sent it.
//!
//! The link passes on streams, which lose nothing: a lost chunk of one (a request, an answer), and all behind it on its
//! connection, stands still for the 200 ms after which a sender sends again, and for 400 ms more if that is lost too. A
//! system under test notices no more of a lost packet.

use super::{failed, tell};
use crate::fault::{Fault, FaultError, StepFuture, StepReport};
use crate::testbed::{Command, LinkHandle, RETRANSMISSION};

/// Makes the link a lossy one.
#[derive(Clone, Debug)]
pub struct LossyLink {
    link: LinkHandle,
    share: f64,
}

/// Requests at once.
const REQUESTS: usize = 50;
/// So many that stood still are no chance on a link that loses nothing.
const ENOUGH: usize = 3;
/// A look that a lossy link deceives once in so many times.
const DECEIVED: f64 = 1000.0;

impl LossyLink {
    /// A `share` of what passes, above 0 and below 1.
    pub fn new(link: LinkHandle, share: f64) -> LossyLink {
        LossyLink { link, share }
    }

    /// Requests that must all pass, one after the other, for nothing to be lost: each is lost on its way there, or back.
    fn proof(&self) -> usize {
        (DECEIVED.ln() / -2.0 / (1.0 - self.share).ln()).ceil() as usize
    }

    /// Of [`REQUESTS`], how many stood still.
    async fn stalled(&self) -> usize {
        let times = self.link.times(REQUESTS, 0, RETRANSMISSION * 2).await;
        times.into_iter().filter(|time| *time >= RETRANSMISSION).count()
    }

    /// Until enough stood still. A link that loses its share almost surely shows it within three times as many requests
    /// as would prove that it loses nothing.
    async fn see_it(&self) -> Result<StepReport, FaultError> {
        let (mut stalled, mut sent) = (0, 0);
        while sent < 3 * self.proof() + REQUESTS {
            stalled += self.stalled().await;
            sent += REQUESTS;
            if stalled >= ENOUGH {
                return Ok(format!("{stalled} of {sent} requests through it stood still").into());
            }
        }
        Err(failed("verify the loss of", format!("only {stalled} of {sent} requests through it stood still")))
    }

    /// Until so many passed in a row that no chance explains it.
    async fn see_none(&self) -> Result<StepReport, FaultError> {
        let (proof, mut passed, mut sent) = (self.proof(), 0, 0);
        // A busy machine makes some stand still as well.
        while sent < 10 * (proof + REQUESTS) {
            let stalled = self.stalled().await;
            sent += REQUESTS;
            passed = if stalled == 0 { passed + REQUESTS } else { 0 };
            if passed >= proof {
                return Ok(format!("{passed} requests through it passed, none stood still").into());
            }
        }
        Err(failed("verify the end of the loss of", format!("of {sent} requests through it some still stand still")))
    }
}

impl Fault for LossyLink {
    fn kind(&self) -> &str {
        "link-loss"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Loss(self.share)))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.see_it())
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.see_none())
    }
}
