//! `link-loss`: a share of what passes the testbed's link is lost, and its sender sends it again.
//!
//! The link passes on streams, which lose nothing. A lost chunk of a stream (a request, an answer), and all behind it on
//! its connection, waits for the 200 ms after which a TCP sender sends again, and 400 ms more if that is lost too. This
//! is all that a system under test notices of a lost packet.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{LinkSpec, command, failed};
use crate::fault::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::testbed::{LinkCommand, LinkHandle, RETRANSMISSION_TIMEOUT};

/// The link loses a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkLoss {
    /// 0 to 1.
    pub loss: f64,
}

/// What requests can show within seconds.
const LOSSES: RangeInclusive<f64> = 0.01..=0.9;

impl Spec for LinkLoss {
    fn example() -> &'static str {
        "kind = \"link-loss\"\nloss = 0.1\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Link
    }

    fn size(&self) -> Option<String> {
        Some(format!("of {:.1} %", 100.0 * self.loss))
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        match LOSSES.contains(&self.loss) {
            true => Ok(()),
            false => Err(InvalidKey::new("loss", "must be between 0.01 and 0.9")),
        }
    }
}

impl LinkSpec for LinkLoss {
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault> {
        Box::new(LinkLossFault { link, share: self.loss })
    }
}

struct LinkLossFault {
    link: LinkHandle,
    share: f64,
}

/// Requests at once.
const REQUESTS: usize = 50;
/// On a link that loses nothing, this many delayed requests do not happen by chance.
const ENOUGH: usize = 3;
/// One probe in this many takes a link that loses its share for one that loses nothing.
const DECEIVED: f64 = 1000.0;

impl LinkLossFault {
    /// Requests that must all pass, one after the other, for nothing to be lost: each is lost on its way there, or back.
    fn proof(&self) -> usize {
        (DECEIVED.ln() / -2.0 / (1.0 - self.share).ln()).ceil() as usize
    }

    /// How many of [`REQUESTS`] came a retransmission later.
    async fn delayed(&self) -> usize {
        let times = self.link.response_times(REQUESTS, 0, RETRANSMISSION_TIMEOUT * 2).await;
        times.into_iter().filter(|time| *time >= RETRANSMISSION_TIMEOUT).count()
    }

    /// Until enough are delayed. A link that loses its share almost surely shows it within three times as many requests
    /// as would prove that it loses nothing.
    async fn verify_loss(&self) -> Result<StepReport, FaultError> {
        let (mut delayed, mut sent) = (0, 0);
        while sent < 3 * self.proof() + REQUESTS {
            delayed += self.delayed().await;
            sent += REQUESTS;
            if delayed >= ENOUGH {
                return Ok(format!("{delayed} of {sent} requests through it came a retransmission later").into());
            }
        }
        Err(failed(
            &self.link,
            "verify the loss of",
            format!("only {delayed} of {sent} requests through it came a retransmission later"),
        ))
    }

    /// Until so many passed in a row that it is not chance.
    async fn verify_no_loss(&self) -> Result<StepReport, FaultError> {
        let (proof, mut passed, mut sent) = (self.proof(), 0, 0);
        // A busy machine delays some as well.
        while sent < 10 * (proof + REQUESTS) {
            let delayed = self.delayed().await;
            sent += REQUESTS;
            passed = if delayed == 0 { passed + REQUESTS } else { 0 };
            if passed >= proof {
                return Ok(format!("{passed} requests through it passed without delay").into());
            }
        }
        Err(failed(
            &self.link,
            "verify the end of the loss of",
            format!("some of {sent} requests through it still came a retransmission later"),
        ))
    }
}

impl Fault for LinkLossFault {
    fn kind(&self) -> &str {
        "link-loss"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Loss(self.share)))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.verify_loss())
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.verify_no_loss())
    }
}
