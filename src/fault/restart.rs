//! `restart`: ended as by `stop`, and started at once. Its removal sees that it runs.

use super::revival::Alive;
use super::{Doing, Fault};
use crate::docker::Engine;

/// A container that is started anew.
pub struct Restart {
    engine: Engine,
    alive: Alive,
}

impl Restart {
    pub(super) fn new(engine: Engine, alive: Alive) -> Restart {
        Restart { engine, alive }
    }
}

impl Fault for Restart {
    fn kind(&self) -> &str {
        "restart"
    }

    fn apply(&mut self) -> Doing<'_> {
        Box::pin(async {
            let done = self.engine.restart(&self.alive.subject.id, self.alive.grace).await;
            done.map(|()| "restarted".to_owned()).map_err(self.alive.subject.failed("restart"))
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
