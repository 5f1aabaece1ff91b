//! `blackhole`: nothing passes the link of a container. Unlike a disconnected container it keeps names, addresses and
//! routes, so its connections hang.
//!
//! The host side of the link is switched off. With its own side off a container would lose its route, and fail at once
//! instead of hanging.

use serde::{Deserialize, Serialize};

use super::Container;
use super::disconnect::endpoints_on;
use super::reachability::Reachability;
use super::target::ContainerTarget;
use crate::docker::probe::Link;
use crate::docker::{DockerError, Engine, OUR_IMAGE};
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{Fault, FaultError, Spec, StepFuture, StepReport, TargetName};

/// A container whose links pass nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackhole {
    /// By name, compose service or id.
    pub container: String,
    /// By name or id; all networks of the container unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlackholeSnapshot {
    #[serde(rename = "subject")]
    target: ContainerTarget,
    started_at: String,
    links: Vec<Link>,
    #[serde(rename = "reach")]
    reachability: Reachability,
}

impl Spec for Blackhole {
    fn example() -> &'static str {
        "kind = \"blackhole\"\ncontainer = \"db\"\nnetwork = \"backend\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }
}

impl KeptSpec for Blackhole {
    type Target = Container;
    type Snapshot = BlackholeSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&BlackholeSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        previous: Option<&BlackholeSnapshot>,
    ) -> Result<BlackholeSnapshot, FaultError> {
        let Container { engine, details } = container;
        let target = ContainerTarget::running(details, "blackhole")?;
        let endpoints = endpoints_on(details, self.network.as_deref(), "blackhole")?;
        let all = match engine.links(details).await {
            Ok(all) => all,
            Err(why) => return Err(unseen(engine, &target, &why).await),
        };
        let wanted = |mac: &str| endpoints.iter().any(|endpoint| endpoint.mac.eq_ignore_ascii_case(mac));
        let links: Vec<_> = all.into_iter().filter(|(mac, _)| wanted(mac)).map(|(_, link)| link).collect();
        if links.len() < endpoints.len() {
            let why = "not every network of it has a link that can be switched off: only bridge networks have one";
            return Err(target.refused("blackhole", why, "Name a bridge network with `network`, or use `disconnect`."));
        }
        let up = match engine.links_up(&links).await {
            Ok(up) => up,
            Err(why) => return Err(unseen(engine, &target, &why).await),
        };
        if up.iter().any(|up| *up != Some(true)) {
            let why = "its link is off already, and not by this program";
            return Err(target.refused("blackhole", why, "Switch its host side on first: `ip link set LINK up`."));
        }
        let reachability = container.reachability(previous.map(|snapshot| &snapshot.reachability)).await;
        let reachability = reachability.on(&endpoints);
        Ok(BlackholeSnapshot { target, started_at: details.started_at.clone(), links, reachability })
    }
}

/// Why its links cannot be seen: without the rights, this process looks from a container of our image.
async fn unseen(engine: &Engine, target: &ContainerTarget, why: &DockerError) -> FaultError {
    match engine.has_image(OUR_IMAGE).await {
        Ok(false) => target.refused("find the links of", &why.to_string(), "Run `metawrk image` first."),
        _ => target.untouched("find the links of")(why),
    }
}

impl Snapshot for BlackholeSnapshot {
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
        Ok(Box::new(BlackholeFault { engine: machine.engine()?.clone(), before: self.clone() }))
    }
}

struct BlackholeFault {
    engine: Engine,
    before: BlackholeSnapshot,
}

impl Fault for BlackholeFault {
    fn kind(&self) -> &str {
        "blackhole"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let done = self.engine.switch_links(&self.before.links, false).await;
            done.map(|_| "link switched off".into()).map_err(self.before.target.failed("switch off the link of"))
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let failed = self.before.target.failed("switch off the link of");
            let up = self.engine.links_up(&self.before.links).await.map_err(&failed)?;
            match up.iter().all(|up| *up == Some(false)) {
                true => Ok("its link is off".into()),
                false => {
                    Err(self.before.target.failed("switch off the link of")("it is on, or the container has a new one"))
                }
            }
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let done = self.engine.switch_links(&self.before.links, true).await;
            done.map(|_| "link switched on".into()).map_err(self.before.target.failed("switch on the link of"))
        })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let BlackholeSnapshot { target, started_at, links, reachability } = &self.before;
            let up = self.engine.links_up(links).await.map_err(target.failed("switch on the link of"))?;
            if up.contains(&Some(false)) {
                return Err(target.failed("switch on the link of")("it is still off"));
            }
            let now = self.engine.inspect(&target.id).await.map_err(target.failed("inspect"))?;
            target.check_running(&now)?;
            let report = match (up.contains(&None), now.started_at == *started_at) {
                (false, _) => StepReport::from("its link is on"),
                (true, true) => StepReport::warning("its link is another one than before"),
                (true, false) => StepReport::warning("it was started again meanwhile, and so has another link"),
            };
            let reached = reachability.verify(&self.engine, &now).await.map_err(target.failed("reach"))?;
            Ok(report.and(reached))
        })
    }
}
