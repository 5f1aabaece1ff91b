//! `cut-link`: nothing passes between the testbed's post-storage and its post-db; both stay up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{PATIENCE, PAUSE, failed, tell};
use crate::fault::{Fault, FaultError, StepFuture, StepReport};
use crate::testbed::{Command, LinkHandle, Probe};

/// Cuts the testbed's link.
#[derive(Clone, Debug)]
pub struct CutLink {
    link: LinkHandle,
}

/// What answers with an error is in trouble that waiting seldom ends.
const PATIENCE_WITH_TROUBLE: Duration = Duration::from_millis(500);

impl CutLink {
    pub fn new(link: LinkHandle) -> CutLink {
        CutLink { link }
    }

    async fn look_for(&self, wanted: Probe, what: &'static str, found: &str) -> Result<StepReport, FaultError> {
        let start = Instant::now();
        loop {
            let seen = self.link.probe().await;
            if seen == wanted {
                return Ok(found.into());
            }
            let patience = if matches!(seen, Probe::Broken(_)) { PATIENCE_WITH_TROUBLE } else { PATIENCE };
            if start.elapsed() >= patience {
                return Err(failed(what, format!("a request through it was {seen:?}, not {wanted:?}")));
            }
            sleep(PAUSE).await;
        }
    }
}

impl Fault for CutLink {
    fn kind(&self) -> &str {
        "cut-link"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Cut))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.look_for(Probe::Silent, "verify the cut of", "a request through it gets no answer"))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(tell(&self.link, Command::Heal))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.look_for(Probe::Answered, "verify the healing of", "a request through it is answered"))
    }
}
