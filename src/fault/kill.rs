//! `kill`: SIGKILL, and no start before the fault is removed.

use super::revival::Alive;
use super::{Doing, Fault};
use crate::docker::Engine;

/// A container that is killed.
pub struct Kill {
    engine: Engine,
    alive: Alive,
}

impl Kill {
    pub(super) fn new(engine: Engine, alive: Alive) -> Kill {
        Kill { engine, alive }
    }
}

impl Fault for Kill {
    fn kind(&self) -> &str {
        "kill"
    }

    fn apply(&mut self) -> Doing<'_> {
        Box::pin(async {
            let done = self.engine.kill(&self.alive.subject.id).await;
            done.map(|()| "killed".to_owned()).map_err(self.alive.subject.failed("kill"))
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
