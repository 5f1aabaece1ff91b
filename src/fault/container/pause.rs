//! `pause`: all processes of a container are frozen. Its sockets take connections, and nothing answers.

use serde::{Deserialize, Serialize};

use super::Container;
use super::reachability::Reachability;
use super::target::ContainerTarget;
use crate::docker::{Details, Engine};
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{Fault, FaultError, Spec, StepFuture, StepReport, TargetName};

/// A frozen container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// By name, compose service or id.
    pub container: String,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PauseSnapshot {
    #[serde(rename = "subject")]
    target: ContainerTarget,
    #[serde(rename = "reach")]
    reachability: Reachability,
}

impl Spec for Pause {
    fn example() -> &'static str {
        "kind = \"pause\"\ncontainer = \"db\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }
}

impl KeptSpec for Pause {
    type Target = Container;
    type Snapshot = PauseSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&PauseSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        previous: Option<&PauseSnapshot>,
    ) -> Result<PauseSnapshot, FaultError> {
        let target = ContainerTarget::running(&container.details, "pause")?;
        let reachability = container.reachability(previous.map(|snapshot| &snapshot.reachability)).await;
        Ok(PauseSnapshot { target, reachability })
    }
}

impl Snapshot for PauseSnapshot {
    fn target(&self) -> Target {
        Target::Container(self.target.clone())
    }

    fn reachability(&self) -> Option<&Reachability> {
        Some(&self.reachability)
    }

    fn ignore_condition(&mut self) {
        (self.target.ran, self.reachability) = (false, Reachability::none());
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(PauseFault { engine: machine.engine()?.clone(), before: self.clone() }))
    }
}

struct PauseFault {
    engine: Engine,
    before: PauseSnapshot,
}

impl PauseFault {
    async fn inspect(&self) -> Result<Details, FaultError> {
        self.engine.inspect(&self.before.target.id).await.map_err(self.before.target.failed("inspect"))
    }
}

impl Fault for PauseFault {
    fn kind(&self) -> &str {
        "pause"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let ContainerTarget { id, .. } = &self.before.target;
            let done = self.engine.pause(id).await.map_err(self.before.target.failed("pause"));
            done.map(|()| "paused".into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            match self.inspect().await?.paused {
                true => Ok("it is paused".into()),
                false => Err(self.before.target.failed("pause")("it is not paused")),
            }
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            if !self.inspect().await?.paused {
                return Ok("it is not paused".into());
            }
            let ContainerTarget { id, .. } = &self.before.target;
            let done = self.engine.unpause(id).await.map_err(self.before.target.failed("unpause"));
            done.map(|()| "unpaused".into())
        })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let failed = |why: &str| Err(self.before.target.failed("unpause")(why));
            let now = self.inspect().await?;
            let PauseSnapshot { target, reachability } = &self.before;
            target.check_running(&now)?;
            match (now.running, now.paused) {
                (true, false) => reachability.verify(&self.engine, &now).await.map_err(target.failed("reach")),
                (true, true) => failed("it is still paused"),
                // Nothing is left of the fault.
                (false, _) => Ok(StepReport::warning("it does not run any more")),
            }
        })
    }
}
