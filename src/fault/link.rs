//! `cut-link`: nothing passes between the testbed's post-storage and its post-db; both stay up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Doing, Fault, FaultError};
use crate::testbed::{LinkHandle, Probe, TestbedError};

/// Cuts the testbed's link.
#[derive(Clone, Debug)]
pub struct CutLink {
    link: LinkHandle,
}

/// How long a look may differ from what it should be: a busy machine answers late.
const PATIENCE: Duration = Duration::from_secs(5);
/// What answers with an error is in trouble that waiting seldom ends.
const PATIENCE_WITH_TROUBLE: Duration = Duration::from_millis(500);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

impl CutLink {
    pub fn new(link: LinkHandle) -> CutLink {
        CutLink { link }
    }

    async fn look_for(&self, wanted: Probe, what: &'static str, found: &str) -> Result<String, FaultError> {
        let start = Instant::now();
        loop {
            let seen = self.link.probe().await;
            if seen == wanted {
                return Ok(found.to_owned());
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

    fn apply(&mut self) -> Doing<'_> {
        Box::pin(async { done(self.link.cut().await, "cut", "told to cut") })
    }

    fn verify_applied(&mut self) -> Doing<'_> {
        Box::pin(self.look_for(Probe::Silent, "verify the cut of", "a request through it gets no answer"))
    }

    fn remove(&mut self) -> Doing<'_> {
        Box::pin(async { done(self.link.heal().await, "heal", "told to heal") })
    }

    fn verify_removed(&mut self) -> Doing<'_> {
        Box::pin(self.look_for(Probe::Answered, "verify the healing of", "a request through it is answered"))
    }
}

fn done(result: Result<(), TestbedError>, what: &'static str, detail: &str) -> Result<String, FaultError> {
    result.map(|()| detail.to_owned()).map_err(|e| failed(what, e.to_string()))
}

fn failed(what: &'static str, why: String) -> FaultError {
    let remedy = "the testbed ends with the run: start it again".into();
    FaultError { what: what.into(), on: "the testbed's link".into(), why, remedy }
}
