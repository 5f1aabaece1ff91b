//! `kill`: a container ends at once (SIGKILL), and is started again when the fault is removed.

use serde::{Deserialize, Serialize};

use super::Container;
use super::lifecycle::Lifecycle;
use super::reachability::Reachability;
use crate::docker::Engine;
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{Fault, FaultError, Spec, StepFuture, TargetName};

/// A killed container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// By name, compose service or id.
    pub container: String,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KillSnapshot(Lifecycle);

impl Spec for Kill {
    fn example() -> &'static str {
        "kind = \"kill\"\ncontainer = \"db\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn ends_processes(&self) -> bool {
        true
    }
}

impl KeptSpec for Kill {
    type Target = Container;
    type Snapshot = KillSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&KillSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.0.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        previous: Option<&KillSnapshot>,
    ) -> Result<KillSnapshot, FaultError> {
        let previous = previous.map(|snapshot| &snapshot.0);
        Lifecycle::snapshot(container, "kill", true, previous).await.map(KillSnapshot)
    }
}

impl Snapshot for KillSnapshot {
    fn target(&self) -> Target {
        Target::Container(self.0.target.clone())
    }

    fn reachability(&self) -> Option<&Reachability> {
        Some(&self.0.reachability)
    }

    fn ignore_condition(&mut self) {
        self.0.ignore_condition();
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(KillFault { engine: machine.engine()?.clone(), before: self.0.clone() }))
    }
}

struct KillFault {
    engine: Engine,
    before: Lifecycle,
}

impl Fault for KillFault {
    fn kind(&self) -> &str {
        "kill"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Lifecycle { target, .. } = &self.before;
            let done = self.engine.kill(&target.id).await.map_err(target.failed("kill"));
            done.map(|()| "killed".into())
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
