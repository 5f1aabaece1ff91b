//! `pause`: all its processes are frozen. Its sockets take connections, and nobody answers.

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::docker::{Details, Engine};
use crate::fault::{Fault, FaultError, StepFuture, StepReport, Subject};

/// What undoing it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    pub subject: Subject,
    pub reach: Reach,
}

impl Before {
    pub(crate) fn look(details: &Details, reach: Reach) -> Result<Before, FaultError> {
        Ok(Before { subject: Subject::running(details, "pause")?, reach })
    }
}

/// A frozen container.
pub struct Pause {
    engine: Engine,
    before: Before,
}

impl Pause {
    pub(crate) fn new(engine: Engine, before: Before) -> Pause {
        Pause { engine, before }
    }

    async fn look(&self) -> Result<Details, FaultError> {
        self.engine.inspect(&self.before.subject.id).await.map_err(self.before.subject.failed("look at"))
    }
}

impl Fault for Pause {
    fn kind(&self) -> &str {
        "pause"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Subject { id, .. } = &self.before.subject;
            let done = self.engine.pause(id).await.map_err(self.before.subject.failed("pause"));
            done.map(|()| "paused".into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            match self.look().await?.paused {
                true => Ok("it is paused".into()),
                false => Err(self.before.subject.failed("pause")("it is not paused")),
            }
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            if !self.look().await?.paused {
                return Ok("it is not paused".into());
            }
            let Subject { id, .. } = &self.before.subject;
            let done = self.engine.unpause(id).await.map_err(self.before.subject.failed("unpause"));
            done.map(|()| "unpaused".into())
        })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let failed = |why: &str| Err(self.before.subject.failed("unpause")(why));
            let now = self.look().await?;
            let Before { subject, reach } = &self.before;
            subject.still_runs(&now)?;
            match (now.running, now.paused) {
                (true, false) => reach.again(&self.engine, &now).await.map_err(subject.failed("reach")),
                (true, true) => failed("it is still paused"),
                // Nothing is left of the fault.
                (false, _) => Ok(StepReport::warning("it does not run any more")),
            }
        })
    }
}
