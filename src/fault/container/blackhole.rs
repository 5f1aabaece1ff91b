//! `blackhole`: nothing passes its link. Unlike a disconnected container it keeps names, addresses and routes, so that
//! its connections hang.
//!
//! It is the host side of the link that is switched off: with its own side off a container would lose its route, and
//! fail at once where it should hang.

use serde::{Deserialize, Serialize};

use super::disconnect::endpoints_on;
use super::reach::Reach;
use crate::docker::inside::Link;
use crate::docker::{Details, DockerError, Engine, OUR_IMAGE};
use crate::fault::{Fault, FaultError, StepFuture, StepReport, Subject};

/// What undoing it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    pub subject: Subject,
    pub started_at: String,
    pub links: Vec<Link>,
    pub reach: Reach,
}

impl Before {
    pub(crate) async fn look(
        engine: &Engine,
        details: &Details,
        network: Option<&str>,
        reach: Reach,
    ) -> Result<Before, FaultError> {
        let subject = Subject::running(details, "blackhole")?;
        let endpoints = endpoints_on(details, network, "blackhole")?;
        let all = match engine.links(details).await {
            Ok(all) => all,
            Err(why) => return Err(unseen(engine, &subject, &why).await),
        };
        let wanted = |mac: &str| endpoints.iter().any(|endpoint| endpoint.mac.eq_ignore_ascii_case(mac));
        let links: Vec<_> = all.into_iter().filter(|(mac, _)| wanted(mac)).map(|(_, link)| link).collect();
        if links.len() < endpoints.len() {
            let why = "not each of its networks has a link that can be switched off: only bridges do";
            return Err(subject.refused("blackhole", why, "name a network that has, or choose `disconnect`"));
        }
        let up = match engine.links_up(&links).await {
            Ok(up) => up,
            Err(why) => return Err(unseen(engine, &subject, &why).await),
        };
        if up.iter().any(|up| *up != Some(true)) {
            let why = "its link is off already: somebody else has switched it off";
            return Err(subject.refused("blackhole", why, "switch its host side on first (`ip link set LINK up`)"));
        }
        let reach = reach.on(&endpoints);
        Ok(Before { subject, started_at: details.started_at.clone(), links, reach })
    }
}

/// Why its links can't be seen: without rights of its own this process looks from a container of our image.
async fn unseen(engine: &Engine, subject: &Subject, why: &DockerError) -> FaultError {
    match engine.has_image(OUR_IMAGE).await {
        Ok(false) => subject.refused("find the links of", &why.to_string(), "`metawrk testbed image` makes the image"),
        _ => subject.untouched("find the links of")(why),
    }
}

/// A container whose links pass nothing.
pub struct Blackhole {
    engine: Engine,
    before: Before,
}

impl Blackhole {
    pub(crate) fn new(engine: Engine, before: Before) -> Blackhole {
        Blackhole { engine, before }
    }
}

impl Fault for Blackhole {
    fn kind(&self) -> &str {
        "blackhole"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let done = self.engine.switch_links(&self.before.links, false).await;
            done.map(|_| "link switched off".into()).map_err(self.before.subject.failed("switch off the link of"))
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let failed = self.before.subject.failed("switch off the link of");
            let up = self.engine.links_up(&self.before.links).await.map_err(&failed)?;
            match up.iter().all(|up| *up == Some(false)) {
                true => Ok("its link is off".into()),
                false => Err(self.before.subject.failed("switch off the link of")("it is on, or a new one")),
            }
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let done = self.engine.switch_links(&self.before.links, true).await;
            done.map(|_| "link switched on".into()).map_err(self.before.subject.failed("switch on the link of"))
        })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let Before { subject, started_at, links, reach } = &self.before;
            let up = self.engine.links_up(links).await.map_err(subject.failed("switch on the link of"))?;
            if up.contains(&Some(false)) {
                return Err(subject.failed("switch on the link of")("it is still off"));
            }
            let now = self.engine.inspect(&subject.id).await.map_err(subject.failed("look at"))?;
            subject.still_runs(&now)?;
            let said = match (up.contains(&None), now.started_at == *started_at) {
                (false, _) => StepReport::from("its link is on"),
                (true, true) => StepReport::warning("its link is another one than before"),
                (true, false) => StepReport::warning("it was started anew meanwhile, and so has another link"),
            };
            let reached = reach.again(&self.engine, &now).await.map_err(subject.failed("reach"))?;
            Ok(said.and(reached))
        })
    }
}
