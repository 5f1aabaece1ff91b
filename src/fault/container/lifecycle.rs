//! What faults share that end a container and bring it back to its peers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Container;
use super::reachability::Reachability;
use super::target::ContainerTarget;
use crate::docker::{Endpoint, EndpointChange, Engine, Health};
use crate::fault::kept::LATENESS;
use crate::fault::{FaultError, StepReport};
use crate::units::Time;

/// A running container, before it is ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    #[serde(rename = "subject")]
    pub target: ContainerTarget,
    /// RFC 3339. Every start has another time.
    pub started_at: String,
    pub endpoints: Vec<Endpoint>,
    /// Seconds that it gets to end after a polite stop.
    pub grace: i32,
    #[serde(rename = "reach")]
    pub reachability: Reachability,
    /// Its health check passed.
    #[serde(default)]
    pub healthy: bool,
}

/// A step of a fault must not take longer than this, in seconds.
const MOST_GRACE: i32 = 15;
/// What engines give unless told otherwise, in seconds.
const GRACE: i32 = 10;
/// How long a health check may take to pass again.
const HEALTH: Duration = Duration::from_secs(10);
const BETWEEN_INSPECTIONS: Duration = Duration::from_millis(100);

impl Lifecycle {
    /// Takes the state of a container that is about to end, by `action`. `stays_down`: the fault does not start it again
    /// at once.
    pub(crate) async fn snapshot(
        container: &Container,
        action: &'static str,
        stays_down: bool,
        previous: Option<&Lifecycle>,
    ) -> Result<Lifecycle, FaultError> {
        let Container { engine, details } = container;
        let target = ContainerTarget::running(details, action)?;
        if details.auto_remove && stays_down {
            let why = "it was started with --rm, so its end would delete it";
            return Err(target.refused(action, why, "Start it without --rm."));
        }
        let guests = engine.guests(details).await.map_err(target.untouched(action))?;
        if !guests.is_empty() {
            // Started again it has another name space, and they stay in the old one: off every network.
            let why = format!("its network is shared by {}, which would lose it for good", guests.join(", "));
            let remedy = "Use `pause`, or a container whose network no other container shares.";
            return Err(target.refused(action, &why, remedy));
        }
        let reachability = container.reachability(previous.map(|previous| &previous.reachability)).await;
        Ok(Lifecycle {
            target,
            started_at: details.started_at.clone(),
            endpoints: details.endpoints.clone(),
            grace: grace(details.stop_timeout),
            reachability: reachability.declared(&details.ports),
            healthy: details.health == Some(Health::Healthy),
        })
    }

    pub(crate) fn ignore_condition(&mut self) {
        (self.target.ran, self.reachability, self.healthy) = (false, Reachability::none(), false);
    }

    /// How long an engine may still carry out a polite stop.
    pub(crate) fn lateness_of_stop(&self) -> Duration {
        LATENESS + Duration::from_secs(self.grace.unsigned_abs().into())
    }

    /// Verifies that it ended, and says when.
    ///
    /// # Errors
    /// Where it runs as if nothing had happened.
    pub(crate) async fn verify_ended(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let now = engine.inspect(&self.target.id).await.map_err(self.target.failed("inspect"))?;
        let report = match now.running {
            false => StepReport::from("it does not run"),
            true if now.started_at != self.started_at => StepReport::from("it ended, and was started again"),
            true => return Err(self.target.failed("end")("it still runs")),
        };
        // Another machine has another clock.
        let ago = engine.is_local().then(|| time_since(&now.finished_at, jiff::Timestamp::now())).flatten();
        Ok(report.since(ago))
    }

    /// Starts it where it does not run.
    pub(crate) async fn start(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let failed = self.target.failed("start");
        if engine.inspect(&self.target.id).await.map_err(&failed)?.running {
            return Ok("it runs".into());
        }
        engine.start(&self.target.id).await.map_err(&failed)?;
        Ok("started".into())
    }

    pub(crate) async fn verify_started(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let now = engine.inspect(&self.target.id).await.map_err(self.target.failed("inspect"))?;
        if !now.running {
            return Err(self.target.failed("start")("it does not run"));
        }
        let report = verify_endpoints(engine, &self.target, &self.endpoints, None, &self.reachability).await?;
        // That peers reach it is known sooner, and better.
        match self.healthy && !self.reachability.is_known() {
            true => Ok(report.and(self.verify_health(engine).await?)),
            false => Ok(report),
        }
    }

    /// Waits until its health check passes. One that takes longer is a warning: it may be made seldom.
    async fn verify_health(&self, engine: &Engine) -> Result<StepReport, FaultError> {
        let start = tokio::time::Instant::now();
        loop {
            let now = engine.inspect(&self.target.id).await.map_err(self.target.failed("inspect"))?;
            self.target.check_running(&now)?;
            if now.health == Some(Health::Healthy) {
                return Ok("its health check passes".into());
            }
            if start.elapsed() >= HEALTH {
                return Ok(StepReport::warning(format!("its health check has not passed after {HEALTH:?}")));
            }
            tokio::time::sleep(BETWEEN_INSPECTIONS).await;
        }
    }
}

/// The time from `then` (RFC 3339) to `now`. `None` if that is not known: an engine writes the year 1 for "never".
fn time_since(then: &str, now: jiff::Timestamp) -> Option<Time> {
    let then: jiff::Timestamp = then.parse().ok()?;
    u64::try_from(now.as_nanosecond() - then.as_nanosecond()).ok().map(Time)
}

/// A container that asks for more time than a step has gets what a step has.
fn grace(stop_timeout: Option<i64>) -> i32 {
    let Some(seconds) = stop_timeout else { return GRACE };
    i32::try_from(seconds).ok().filter(|seconds| (0..=MOST_GRACE).contains(seconds)).unwrap_or(MOST_GRACE)
}

/// Verifies that the endpoints are as before, and that peers reach the container again. Other addresses are no fault's
/// trace, but a warning.
///
/// # Errors
/// Says what is not as before.
pub(crate) async fn verify_endpoints(
    engine: &Engine,
    target: &ContainerTarget,
    endpoints: &[Endpoint],
    published: Option<&BTreeMap<String, Vec<String>>>,
    reachability: &Reachability,
) -> Result<StepReport, FaultError> {
    let failed = target.failed("verify the return of");
    let now = engine.inspect(&target.id).await.map_err(&failed)?;
    target.check_running(&now)?;
    let mut report = StepReport::from("names and networks as before");
    for endpoint in endpoints {
        let found = now.endpoints.iter().find(|now| now.network_id == endpoint.network_id);
        let found = found.ok_or_else(|| target.failed("connect")(format!("it is not on {}", endpoint.network)))?;
        for change in endpoint.changes(found, engine.api()) {
            match change {
                EndpointChange::Setting(text) => return Err(target.failed("verify the return of")(text)),
                EndpointChange::Address { before, now } => {
                    let warning = format!("its address on {} was {before}, and is {now}", endpoint.network);
                    report = report.and(StepReport::warning(warning));
                }
            }
        }
    }
    if published.is_some_and(|published| now.running && *published != now.published) {
        report = report.and(StepReport::warning(format!("its published ports are {:?} now", now.published)));
    }
    let reached = reachability.verify(engine, &now).await.map_err(target.failed("reach"))?;
    Ok(report.and(reached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_a_death_is_known_unless_it_never_died() {
        let now = "2026-01-02T03:04:05.5Z".parse().unwrap();
        assert_eq!(time_since("2026-01-02T03:04:05.25Z", now), Some(Time::from_millis(250)));
        let unknown = ["0001-01-01T00:00:00Z", "", "2026-01-02T03:04:06Z"];
        assert_eq!(unknown.map(|then| time_since(then, now)), [None; 3]);
    }

    #[test]
    fn a_container_gets_the_time_that_it_asks_for_and_never_more_than_a_step_has() {
        let asked = [None, Some(0), Some(3), Some(600), Some(-1), Some(i64::MAX)];
        assert_eq!(asked.map(grace), [GRACE, 0, 3, MOST_GRACE, MOST_GRACE, MOST_GRACE]);
    }
}
