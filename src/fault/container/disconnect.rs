//! `disconnect`: off its networks. Its names no longer resolve, its routes are gone.
//!
//! A disconnection deletes every setting of an endpoint, and a bare connection brings back the container's own name
//! alone: peers would never again resolve the name of its compose service. So all of it is saved, given back, compared.

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use super::revival::all_as_before;
use crate::docker::{Change, Details, DockerError, Endpoint, Engine};
use crate::fault::{Fault, FaultError, StepFuture, StepReport, Subject};

/// What undoing it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    pub subject: Subject,
    pub endpoints: Vec<Endpoint>,
    pub published: std::collections::BTreeMap<String, Vec<String>>,
    pub reach: Reach,
}

impl Before {
    pub(crate) fn look(details: &Details, network: Option<&str>, reach: Reach) -> Result<Before, FaultError> {
        let subject = Subject::running(details, "disconnect")?;
        let endpoints = endpoints_on(details, network, "disconnect")?;
        let reach = reach.on(&endpoints);
        Ok(Before { subject, endpoints, published: details.published.clone(), reach })
    }
}

/// The container's endpoints, or the one on `network`.
pub(crate) fn endpoints_on(
    details: &Details,
    network: Option<&str>,
    what: &'static str,
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
            Err(Subject::of(details).refused(what, &why, "name one of these"))
        }
        (true, _) => {
            let why = format!("it has no network of its own (its network mode is {})", details.network_mode);
            Err(Subject::of(details).refused(what, &why, "choose another fault, or another container"))
        }
    }
}

/// A container off its networks.
pub struct Disconnect {
    engine: Engine,
    before: Before,
}

impl Disconnect {
    pub(crate) fn new(engine: Engine, before: Before) -> Disconnect {
        Disconnect { engine, before }
    }

    /// To each of its networks, whatever becomes of the others; the first error tells of the first that it is still off.
    async fn connect(&self) -> Result<StepReport, FaultError> {
        let Before { subject, endpoints, .. } = &self.before;
        let failed = subject.failed("connect");
        let now = self.engine.inspect(&subject.id).await.map_err(&failed)?;
        let mut all = Ok(format!("connected to {}", self.networks()).into());
        for endpoint in endpoints {
            let connected = self.connect_to(&now, endpoint).await.map_err(&failed);
            all = all.and_then(|said| connected.map(|()| said));
        }
        all
    }

    async fn connect_to(&self, now: &Details, endpoint: &Endpoint) -> Result<(), DockerError> {
        let is_kept = |change: &Change| matches!(change, Change::Address { .. });
        match now.endpoints.iter().find(|now| now.network_id == endpoint.network_id) {
            Some(now) if endpoint.changes(now, self.engine.api()).iter().all(is_kept) => return Ok(()),
            // Somebody connected it without its names.
            Some(now) => self.engine.disconnect(&self.before.subject.id, now).await?,
            None => {}
        }
        self.engine.connect_again(&self.before.subject.id, endpoint).await
    }

    fn networks(&self) -> String {
        let networks: Vec<_> = self.before.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
        networks.join(", ")
    }
}

impl Fault for Disconnect {
    fn kind(&self) -> &str {
        "disconnect"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Before { subject, endpoints, .. } = &self.before;
            for endpoint in endpoints {
                self.engine.disconnect(&subject.id, endpoint).await.map_err(subject.failed("disconnect"))?;
            }
            Ok(format!("disconnected from {}", self.networks()).into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Before { subject, endpoints, .. } = &self.before;
            let failed = subject.failed("verify the disconnection of");
            let now = self.engine.inspect(&subject.id).await.map_err(&failed)?;
            let still = now.endpoints.iter().find(|now| endpoints.iter().any(|e| e.network_id == now.network_id));
            match still {
                Some(endpoint) => {
                    Err(self.before.subject.failed("disconnect")(format!("it is still on {}", endpoint.network)))
                }
                None => Ok(format!("not on {} any more", self.networks()).into()),
            }
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.connect())
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        let Before { subject, endpoints, published, reach } = &self.before;
        Box::pin(all_as_before(&self.engine, subject, endpoints, Some(published), reach))
    }
}
