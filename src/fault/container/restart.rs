//! `restart`: a container is asked to end, killed where it does not, and started again at once. The fault lasts from its
//! end until it is back, however long that takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Container;
use super::lifecycle::Lifecycle;
use super::reachability::Reachability;
use crate::docker::Engine;
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{Fault, FaultError, Spec, StepFuture, TargetName};
use crate::units::Time;

/// A container that is started again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// By name, compose service or id.
    pub container: String,
}

/// Its longest stop, its start, and the time until its peers reach it.
const LONGEST: Time = Time::from_secs(30);

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RestartSnapshot(Lifecycle);

impl Spec for Restart {
    fn example() -> &'static str {
        "kind = \"restart\"\ncontainer = \"db\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn ends_within(&self) -> Option<Time> {
        Some(LONGEST)
    }

    fn ends_processes(&self) -> bool {
        true
    }
}

impl KeptSpec for Restart {
    type Target = Container;
    type Snapshot = RestartSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&RestartSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.0.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        previous: Option<&RestartSnapshot>,
    ) -> Result<RestartSnapshot, FaultError> {
        let previous = previous.map(|snapshot| &snapshot.0);
        Lifecycle::snapshot(container, "restart", false, previous).await.map(RestartSnapshot)
    }
}

impl Snapshot for RestartSnapshot {
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
        Ok(Box::new(RestartFault { engine: machine.engine()?.clone(), before: self.0.clone() }))
    }
}

struct RestartFault {
    engine: Engine,
    before: Lifecycle,
}

impl Fault for RestartFault {
    fn kind(&self) -> &str {
        "restart"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Lifecycle { target, grace, .. } = &self.before;
            let done = self.engine.restart(&target.id, *grace).await.map_err(target.failed("restart"));
            done.map(|()| "restarted".into())
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
