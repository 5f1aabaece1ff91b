//! `kill` (SIGKILL), `stop` (asked to end, and killed where it does not) and `restart` (the same, and started at once):
//! a container that ends, and is not started again, but by `restart`, before the fault is removed.

use super::revival::Alive;
use crate::docker::{DockerError, Engine};
use crate::fault::{Fault, StepFuture};

/// How it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Kill,
    Stop,
    Restart,
}

/// A container that is ended.
pub struct Ended {
    engine: Engine,
    alive: Alive,
    how: How,
}

impl How {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            How::Kill => "kill",
            How::Stop => "stop",
            How::Restart => "restart",
        }
    }
}

impl Ended {
    pub(crate) fn new(engine: Engine, alive: Alive, how: How) -> Ended {
        Ended { engine, alive, how }
    }

    async fn end(&self) -> Result<(), DockerError> {
        let Alive { subject, grace, .. } = &self.alive;
        match self.how {
            How::Kill => self.engine.kill(&subject.id).await,
            How::Stop => self.engine.stop(&subject.id, *grace).await,
            How::Restart => self.engine.restart(&subject.id, *grace).await,
        }
    }
}

impl Fault for Ended {
    fn kind(&self) -> &str {
        self.how.name()
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let done = self.end().await.map_err(self.alive.subject.failed(self.how.name()));
            done.map(|()| "ended".into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.alive.verify_ended(&self.engine))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.alive.revive(&self.engine))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.alive.verify_revived(&self.engine))
    }
}
