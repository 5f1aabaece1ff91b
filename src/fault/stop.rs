//! `stop`: asked to end, killed where it does not, and no start before the fault is removed.

use super::revival::Alive;
use super::{Doing, Fault};
use crate::docker::Engine;

/// A container that is stopped.
pub struct Stop {
    engine: Engine,
    alive: Alive,
}

impl Stop {
    pub(super) fn new(engine: Engine, alive: Alive) -> Stop {
        Stop { engine, alive }
    }
}

impl Fault for Stop {
    fn kind(&self) -> &str {
        "stop"
    }

    fn apply(&mut self) -> Doing<'_> {
        Box::pin(async {
            let done = self.engine.stop(&self.alive.subject.id, self.alive.grace).await;
            done.map(|()| "stopped".to_owned()).map_err(self.alive.subject.failed("stop"))
        })
    }

    fn verify_applied(&mut self) -> Doing<'_> {
        Box::pin(self.alive.verify_ended(&self.engine))
    }

    fn remove(&mut self) -> Doing<'_> {
        Box::pin(self.alive.revive(&self.engine))
    }

    fn verify_removed(&mut self) -> Doing<'_> {
        Box::pin(self.alive.verify_revived(&self.engine))
    }
}
