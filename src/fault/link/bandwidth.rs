//! `link-bandwidth`: the testbed's link passes only so many bytes per second, each way, all connections together.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::{LinkSpec, PATIENCE, command, probe_until};
use crate::fault::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::testbed::{LinkCommand, LinkHandle};
use crate::units::exact_size;

/// The link passes only so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkBandwidth {
    /// Per second, each way.
    #[serde(with = "exact_size")]
    pub bandwidth: ByteSize,
}

/// What requests can show within seconds.
const BANDWIDTHS: RangeInclusive<u64> = 1 << 10..=10 << 20;

impl Spec for LinkBandwidth {
    fn example() -> &'static str {
        "kind = \"link-bandwidth\"\nbandwidth = \"50KiB\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Link
    }

    fn size(&self) -> Option<String> {
        Some(format!("of {}/s", self.bandwidth))
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        match BANDWIDTHS.contains(&self.bandwidth.0) {
            true => Ok(()),
            false => Err(InvalidKey::new("bandwidth", "must be between 1KiB and 10MiB")),
        }
    }
}

impl LinkSpec for LinkBandwidth {
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault> {
        Box::new(LinkBandwidthFault { link, bandwidth: self.bandwidth.0 })
    }
}

struct LinkBandwidthFault {
    link: LinkHandle,
    /// In bytes per second.
    bandwidth: u64,
}

/// How long the bytes of a probe take on the narrow link.
const TRANSFER: Duration = Duration::from_millis(400);
/// The most that one request carries: what fits into a request's head.
const MOST_BYTES: u64 = 8 * 1024;

impl LinkBandwidthFault {
    /// Sends as many bytes as take [`TRANSFER`]; how long they took.
    async fn transfer(&self) -> Duration {
        let bytes = (self.bandwidth as f64 * TRANSFER.as_secs_f64()) as u64;
        let requests = bytes.div_ceil(MOST_BYTES).max(1);
        let times =
            self.link.response_times(requests as usize, bytes.div_ceil(requests) as usize, TRANSFER + PATIENCE).await;
        times.into_iter().max().unwrap_or_default()
    }

    async fn probe(&self, action: &'static str, is_so: fn(Duration) -> bool) -> Result<StepReport, FaultError> {
        probe_until(&self.link, action, || async {
            let took = self.transfer().await;
            let seen = format!("bytes that take {TRANSFER:?} at {} bytes/s take {took:.1?}", self.bandwidth);
            if is_so(took) { Ok(seen) } else { Err(seen) }
        })
        .await
    }
}

impl Fault for LinkBandwidthFault {
    fn kind(&self) -> &str {
        "link-bandwidth"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Bandwidth(self.bandwidth)))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.probe("verify the bandwidth of", |took| took >= TRANSFER))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.probe("verify the full bandwidth of", |took| took < TRANSFER / 2))
    }
}
