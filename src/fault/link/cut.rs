//! `link-cut`: nothing passes between the testbed's post-storage and its post-db.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{LinkSpec, PATIENCE, PAUSE, command, failed};
use crate::fault::{Fault, FaultError, Spec, StepFuture, StepReport, TargetName};
use crate::testbed::{LinkCommand, LinkHandle, LinkProbe};

/// Connections through the link hang.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkCut {}

impl Spec for LinkCut {
    fn example() -> &'static str {
        "kind = \"link-cut\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Link
    }
}

impl LinkSpec for LinkCut {
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault> {
        Box::new(LinkCutFault { link, resets: false })
    }
}

/// A link that passes nothing.
pub(super) struct LinkCutFault {
    pub link: LinkHandle,
    /// Connections are reset. Otherwise they hang.
    pub resets: bool,
}

/// An answer that is an error seldom goes away by waiting.
const PATIENCE_WITH_ERRORS: Duration = Duration::from_millis(500);

impl LinkCutFault {
    async fn probe_for(&self, wanted: LinkProbe, action: &'static str, found: &str) -> Result<StepReport, FaultError> {
        let start = Instant::now();
        loop {
            let seen = self.link.probe().await;
            if seen == wanted {
                return Ok(found.into());
            }
            let patience = if matches!(seen, LinkProbe::Failed(_)) { PATIENCE_WITH_ERRORS } else { PATIENCE };
            if start.elapsed() >= patience {
                return Err(failed(&self.link, action, format!("a request through it was {seen:?}, not {wanted:?}")));
            }
            sleep(PAUSE).await;
        }
    }
}

impl Fault for LinkCutFault {
    fn kind(&self) -> &str {
        "link-cut"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        let with = if self.resets { LinkCommand::Reset } else { LinkCommand::Cut };
        Box::pin(command(&self.link, with))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        let (wanted, found) = match self.resets {
            true => (LinkProbe::Reset, "a connection through it is reset"),
            false => (LinkProbe::Unanswered, "a request through it gets no answer"),
        };
        Box::pin(self.probe_for(wanted, "verify the cut of", found))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(command(&self.link, LinkCommand::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.probe_for(
            LinkProbe::Answered,
            "verify the end of the cut of",
            "a request through it is answered",
        ))
    }
}
