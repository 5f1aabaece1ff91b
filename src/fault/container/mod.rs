//! Faults on containers, one file each, and what they share.

pub mod blackhole;
pub mod disconnect;
pub mod kill;
pub(crate) mod lifecycle;
pub mod memory_limit;
pub mod pause;
pub mod reachability;
pub mod restart;
pub mod stop;
pub mod target;
pub mod throttle;

use super::FaultError;
use super::kept::{Inspected, Machine, Target};
use crate::docker::{Details, Engine};
use reachability::Reachability;
use target::ContainerTarget;

/// A container as inspected.
pub struct Container {
    pub engine: Engine,
    pub details: Details,
}

impl Container {
    /// The container called `name` (by name, compose service or id); the one of the `previous` inspection if there was
    /// one.
    pub(crate) async fn find(
        machine: &Machine,
        name: &str,
        previous: Option<&ContainerTarget>,
    ) -> Result<Container, FaultError> {
        let engine = machine.engine()?.clone();
        let details = match previous {
            Some(target) => engine.inspect(&target.id).await.map_err(target.untouched("inspect"))?,
            None => {
                let failed = FaultError::new("find", format!("container {name}"), "Nothing was changed.");
                let found = engine.find(name).await.map_err(|e| failed(e.to_string()))?;
                engine.inspect(&found.id).await.map_err(|e| failed(e.to_string()))?
            }
        };
        Ok(Container { engine, details })
    }

    /// What its peers can reach of it; as in the `previous` snapshot if there was one.
    pub(crate) async fn reachability(&self, previous: Option<&Reachability>) -> Reachability {
        match previous {
            Some(reachability) => reachability.clone(),
            None => Reachability::probe(&self.engine, &self.details).await,
        }
    }
}

impl Inspected for Container {
    fn target(&self) -> Target {
        Target::Container(ContainerTarget::of(&self.details))
    }
}
