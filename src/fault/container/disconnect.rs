//! `disconnect`: a container is off its networks. Its names no longer resolve, its routes are gone.
//!
//! A disconnection deletes every setting of an endpoint, and a bare connection brings back the container's own name
//! alone: peers would never again resolve the name of its compose service. So all settings are saved, given back, and
//! compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Container;
use super::lifecycle::verify_endpoints;
use super::reachability::Reachability;
use super::target::ContainerTarget;
use crate::docker::{Details, DockerError, Endpoint, EndpointChange, Engine};
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target, is_id};
use crate::fault::{Fault, FaultError, Spec, StepFuture, StepReport, TargetName};

/// A container off its networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    /// By name, compose service or id.
    pub container: String,
    /// By name or id; all networks of the container unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisconnectSnapshot {
    #[serde(rename = "subject")]
    target: ContainerTarget,
    endpoints: Vec<Endpoint>,
    published: BTreeMap<String, Vec<String>>,
    #[serde(rename = "reach")]
    reachability: Reachability,
}

impl Spec for Disconnect {
    fn example() -> &'static str {
        "kind = \"disconnect\"\ncontainer = \"db\"\nnetwork = \"backend\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }
}

impl KeptSpec for Disconnect {
    type Target = Container;
    type Snapshot = DisconnectSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&DisconnectSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        previous: Option<&DisconnectSnapshot>,
    ) -> Result<DisconnectSnapshot, FaultError> {
        let details = &container.details;
        let target = ContainerTarget::running(details, "disconnect")?;
        let endpoints = endpoints_on(details, self.network.as_deref(), "disconnect")?;
        let reachability = container.reachability(previous.map(|snapshot| &snapshot.reachability)).await;
        let reachability = reachability.on(&endpoints);
        Ok(DisconnectSnapshot { target, endpoints, published: details.published.clone(), reachability })
    }
}

impl Snapshot for DisconnectSnapshot {
    fn target(&self) -> Target {
        Target::Container(self.target.clone())
    }

    fn reachability(&self) -> Option<&Reachability> {
        Some(&self.reachability)
    }

    fn ignore_condition(&mut self) {
        (self.target.ran, self.reachability) = (false, Reachability::none());
    }

    fn check_paths(&self) -> Result<(), String> {
        match self.endpoints.iter().find(|endpoint| !is_id(&endpoint.network_id)) {
            Some(endpoint) => Err(format!("`{}` is not the id of a network", endpoint.network_id)),
            None => Ok(()),
        }
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(DisconnectFault { engine: machine.engine()?.clone(), before: self.clone() }))
    }
}

/// The container's endpoints, or the one on `network`.
pub(crate) fn endpoints_on(
    details: &Details,
    network: Option<&str>,
    action: &'static str,
) -> Result<Vec<Endpoint>, FaultError> {
    let mut endpoints = details.endpoints.clone();
    endpoints.retain(|endpoint| !matches!(endpoint.network.as_str(), "host" | "none"));
    let all: Vec<_> = endpoints.iter().map(|endpoint| endpoint.network.clone()).collect();
    if let Some(network) = network {
        endpoints.retain(|endpoint| endpoint.network == network || endpoint.network_id == network);
    }
    match (endpoints.is_empty(), network) {
        (false, _) => Ok(endpoints),
        (true, Some(network)) if !all.is_empty() => {
            let why = format!("it is not on network {network}, but on {}", all.join(", "));
            Err(ContainerTarget::of(details).refused(action, &why, "Name one of these networks."))
        }
        (true, _) => {
            let why = format!("it has no network of its own (its network mode is {})", details.network_mode);
            Err(ContainerTarget::of(details).refused(action, &why, "Use another fault, or another container."))
        }
    }
}

struct DisconnectFault {
    engine: Engine,
    before: DisconnectSnapshot,
}

impl DisconnectFault {
    /// Connects it to each of its networks, also where another one fails; the first error is given back.
    async fn connect(&self) -> Result<StepReport, FaultError> {
        let DisconnectSnapshot { target, endpoints, .. } = &self.before;
        let failed = target.failed("connect");
        let now = self.engine.inspect(&target.id).await.map_err(&failed)?;
        let mut all = Ok(format!("connected to {}", self.networks()).into());
        for endpoint in endpoints {
            let connected = self.connect_to(&now, endpoint).await.map_err(&failed);
            all = all.and_then(|report| connected.map(|()| report));
        }
        all
    }

    async fn connect_to(&self, now: &Details, endpoint: &Endpoint) -> Result<(), DockerError> {
        let is_address = |change: &EndpointChange| matches!(change, EndpointChange::Address { .. });
        match now.endpoints.iter().find(|now| now.network_id == endpoint.network_id) {
            Some(now) if endpoint.changes(now, self.engine.api()).iter().all(is_address) => return Ok(()),
            // Somebody connected it without its names.
            Some(now) => self.engine.disconnect(&self.before.target.id, now).await?,
            None => {}
        }
        self.engine.connect_again(&self.before.target.id, endpoint).await
    }

    fn networks(&self) -> String {
        let networks: Vec<_> = self.before.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
        networks.join(", ")
    }
}

impl Fault for DisconnectFault {
    fn kind(&self) -> &str {
        "disconnect"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let DisconnectSnapshot { target, endpoints, .. } = &self.before;
            for endpoint in endpoints {
                self.engine.disconnect(&target.id, endpoint).await.map_err(target.failed("disconnect"))?;
            }
            Ok(format!("disconnected from {}", self.networks()).into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let DisconnectSnapshot { target, endpoints, .. } = &self.before;
            let failed = target.failed("verify the disconnection of");
            let now = self.engine.inspect(&target.id).await.map_err(&failed)?;
            let still = now.endpoints.iter().find(|now| endpoints.iter().any(|e| e.network_id == now.network_id));
            match still {
                Some(endpoint) => {
                    Err(self.before.target.failed("disconnect")(format!("it is still on {}", endpoint.network)))
                }
                None => Ok(format!("not on {} any more", self.networks()).into()),
            }
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.connect())
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        let DisconnectSnapshot { target, endpoints, published, reachability } = &self.before;
        Box::pin(verify_endpoints(&self.engine, target, endpoints, Some(published), reachability))
    }
}
