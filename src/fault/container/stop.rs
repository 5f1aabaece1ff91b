//! `stop`: a container is asked to end, and killed where it does not. It is started again when the fault is removed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Container;
use super::lifecycle::Lifecycle;
use super::reachability::Reachability;
use crate::docker::Engine;
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{Fault, FaultError, Spec, StepFuture, TargetName};

/// A stopped container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// By name, compose service or id.
    pub container: String,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopSnapshot(Lifecycle);

impl Spec for Stop {
    fn example() -> &'static str {
        "kind = \"stop\"\ncontainer = \"db\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn ends_processes(&self) -> bool {
        true
    }
}

impl KeptSpec for Stop {
    type Target = Container;
    type Snapshot = StopSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&StopSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.0.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        previous: Option<&StopSnapshot>,
    ) -> Result<StopSnapshot, FaultError> {
        let previous = previous.map(|snapshot| &snapshot.0);
        Lifecycle::snapshot(container, "stop", true, previous).await.map(StopSnapshot)
    }
}

impl Snapshot for StopSnapshot {
    fn target(&self) -> Target {
        Target::Container(self.0.target.clone())
    }

    fn reachability(&self) -> Option<&Reachability> {
        Some(&self.0.reachability)
    }

    fn ignore_condition(&mut self) {
        self.0.ignore_condition();
    }

    fn lateness(&self) -> Duration {
        self.0.lateness_of_stop()
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(StopFault { engine: machine.engine()?.clone(), before: self.0.clone() }))
    }
}

struct StopFault {
    engine: Engine,
    before: Lifecycle,
}

impl Fault for StopFault {
    fn kind(&self) -> &str {
        "stop"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Lifecycle { target, grace, .. } = &self.before;
            let done = self.engine.stop(&target.id, *grace).await.map_err(target.failed("stop"));
            done.map(|()| "stopped".into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.before.verify_ended(&self.engine))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.before.start(&self.engine))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.before.verify_started(&self.engine))
    }
}
