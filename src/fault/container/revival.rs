//! What faults share whose removal brings a container back to its peers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ended::How;
use super::reach::Reach;
use crate::docker::{Change, Details, Endpoint, Engine};
use crate::fault::{FaultError, StepReport, Subject};

/// A container that runs, as it was before it was ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alive {
    pub subject: Subject,
    /// Another start has another time.
    pub started_at: String,
    pub endpoints: Vec<Endpoint>,
    /// Seconds that it is given to end by itself.
    pub grace: i32,
    pub reach: Reach,
}

/// Longer than this a step of a fault must not take.
const MOST_GRACE: i32 = 15;
/// What engines give unless told otherwise.
const GRACE: i32 = 10;

impl Alive {
    pub(crate) async fn look(engine: &Engine, details: &Details, how: How, reach: Reach) -> Result<Alive, FaultError> {
        let what = how.name();
        let subject = Subject::running(details, what)?;
        if details.auto_remove && how != How::Restart {
            let why = "it was started with --rm, so its end would delete it";
            return Err(subject.refused(what, why, "start it without --rm"));
        }
        let guests = engine.guests(details).await.map_err(subject.untouched(what))?;
        if !guests.is_empty() {
            // Started again it has another name space, and they are left in the old one: off every network.
            let why = format!("its network is shared by {}, which would lose it for good", guests.join(", "));
            return Err(subject.refused(what, &why, "choose `pause`, or a container that lends its network to none"));
        }
        let (started_at, endpoints) = (details.started_at.clone(), details.endpoints.clone());
        let reach = reach.declared(&details.ports);
        Ok(Alive { subject, started_at, endpoints, grace: grace(details.stop_timeout), reach })
    }

    /// # Errors
    /// Where it runs as if nothing had happened.
    pub(crate) async fn verify_ended(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let now = engine.inspect(&self.subject.id).await.map_err(self.subject.failed("look at"))?;
        match now.running {
            false => Ok("it does not run".into()),
            true if now.started_at != self.started_at => Ok("it ended, and was started again".into()),
            true => Err(self.subject.failed("end")("it still runs")),
        }
    }

    /// Starts it where it does not run.
    pub(crate) async fn revive(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let failed = self.subject.failed("start");
        if engine.inspect(&self.subject.id).await.map_err(&failed)?.running {
            return Ok("it runs".into());
        }
        engine.start(&self.subject.id).await.map_err(&failed)?;
        Ok("started".into())
    }

    pub(crate) async fn verify_revived(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let now = engine.inspect(&self.subject.id).await.map_err(self.subject.failed("look at"))?;
        if !now.running {
            return Err(self.subject.failed("start")("it does not run"));
        }
        all_as_before(engine, &self.subject, &self.endpoints, None, &self.reach).await
    }
}

/// A container that would be waited for without end is not.
fn grace(stop_timeout: Option<i64>) -> i32 {
    let Some(seconds) = stop_timeout else { return GRACE };
    i32::try_from(seconds).ok().filter(|seconds| (0..=MOST_GRACE).contains(seconds)).unwrap_or(MOST_GRACE)
}

/// Endpoints as they were, and reached again. Other addresses are no fault's trace, but worth a word.
///
/// # Errors
/// Says what is not as before.
pub(crate) async fn all_as_before(
    engine: &Engine,
    subject: &Subject,
    endpoints: &[Endpoint],
    published: Option<&BTreeMap<String, Vec<String>>>,
    reach: &Reach,
) -> Result<StepReport, FaultError> {
    let failed = subject.failed("verify the return of");
    let now = engine.inspect(&subject.id).await.map_err(&failed)?;
    subject.still_runs(&now)?;
    let mut said = StepReport::from("names and networks as before");
    for endpoint in endpoints {
        let found = now.endpoints.iter().find(|now| now.network_id == endpoint.network_id);
        let found = found.ok_or_else(|| subject.failed("connect")(format!("it is not on {}", endpoint.network)))?;
        for change in endpoint.changes(found, engine.api()) {
            match change {
                Change::Setting(text) => return Err(subject.failed("verify the return of")(text)),
                Change::Address { before, now } => {
                    let warning = format!("its address on {} was {before}, and is {now}", endpoint.network);
                    said = said.and(StepReport::warning(warning));
                }
            }
        }
    }
    if published.is_some_and(|published| now.running && *published != now.published) {
        said = said.and(StepReport::warning(format!("its published ports are {:?} now", now.published)));
    }
    let reached = reach.again(engine, &now).await.map_err(subject.failed("reach"))?;
    Ok(said.and(reached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_gets_the_time_that_it_asks_for_and_never_more_than_a_step_has() {
        let asked = [None, Some(0), Some(3), Some(600), Some(-1), Some(i64::MAX)];
        assert_eq!(asked.map(grace), [GRACE, 0, 3, MOST_GRACE, MOST_GRACE, MOST_GRACE]);
    }
}
