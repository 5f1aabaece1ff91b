//! What a simulated system is made of.

use serde::{Deserialize, Serialize};

use crate::plan::InvalidSetting;
use crate::units::Time;

/// `[system]`: servers with a queue in front of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SystemModel {
    /// How many requests are served at once.
    pub servers: u32,
    /// The mean time that serving a request takes.
    pub service_time: Time,
    /// How service times vary.
    #[serde(default)]
    pub service_law: ServiceLaw,
    /// The standard deviation of the logarithm of a log-normal service time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_sigma: Option<f64>,
    /// How many requests may wait for a server. Further ones are refused. `None`: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Which waiting request is served next.
    #[serde(default)]
    pub order: QueueOrder,
    /// A request that has waited for so long is answered with an error. `None`: it waits for as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up: Option<Time>,
    /// What a request costs that had to wait. `None`: the same as one that had not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costly: Option<CostlyPath>,
    /// During an outage, a request that is served fails after so long. `None`: it hangs until the end of the outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_timeout: Option<Time>,
}

/// `costly`: a request that found no free server waits for several of them, holds them for a time, and is then served
/// without one. This is a memory loop: errors that hold more memory than the requests whose lack of memory caused them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CostlyPath {
    /// How many servers it holds.
    pub servers: u32,
    /// How long it holds them.
    pub hold: Time,
}

/// The distribution of service times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceLaw {
    #[default]
    Constant,
    Exponential,
    /// Needs `service-sigma`.
    Lognormal,
}

/// The order in which waiting requests are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueOrder {
    /// The one that came first.
    #[default]
    Fifo,
    /// The one that came last.
    Lifo,
}

/// `[mitigation]`: what protects the system from its clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mitigation {
    /// The clients make at most so many retries per request on average, such as 0.1. `None`: as many as `load.retries` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<f64>,
    /// The system accepts attempts at a limited rate, and refuses the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// A share of the requests is not sent for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shed: Option<Shed>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Admission {
    /// Attempts per second.
    pub rate: f64,
    /// So many attempts may come at once after a quiet time.
    pub burst: f64,
}

/// Shedding after the outage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shed {
    /// The share of the requests that is not sent, from 0 to 1.
    pub share: f64,
    /// When it begins, after the end of the outage.
    #[serde(default)]
    pub after: Time,
    #[serde(rename = "for")]
    pub lasts: Time,
}

/// More servers are not simulated.
const MAX_SERVERS: u32 = 1_000_000;
/// No time of a system is longer.
const LONGEST: Time = Time::from_secs(3600);
/// A log-normal law with a larger sigma has a mean that a run does not show.
const MAX_SIGMA: f64 = 3.0;

fn refuse(key: &str, why: impl Into<String>) -> Result<(), InvalidSetting> {
    Err(InvalidSetting::new(key, why))
}

/// Refuses a time that is zero, or longer than an hour.
fn check_time(key: &str, time: Option<Time>) -> Result<(), InvalidSetting> {
    match time {
        Some(time) if time == Time::ZERO || time > LONGEST => {
            refuse(key, format!("must be above 0 and at most 1h, not {time}"))
        }
        _ => Ok(()),
    }
}

impl SystemModel {
    /// # Errors
    /// [`InvalidSetting`] for a value that is not possible, or that has no effect.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if !(1..=MAX_SERVERS).contains(&self.servers) {
            let why = format!("must be between 1 and {MAX_SERVERS}, not {}", self.servers);
            return refuse("system.servers", why);
        }
        check_time("system.service-time", Some(self.service_time))?;
        check_time("system.give-up", self.give_up)?;
        check_time("system.call-timeout", self.call_timeout)?;
        match (self.service_law, self.service_sigma) {
            (ServiceLaw::Lognormal, Some(sigma)) if sigma > 0.0 && sigma <= MAX_SIGMA => {}
            (ServiceLaw::Lognormal, _) => {
                return refuse(
                    "system.service-sigma",
                    format!("must be above 0 and at most {MAX_SIGMA} with service-law = \"lognormal\""),
                );
            }
            (_, Some(_)) => {
                return refuse("system.service-sigma", "has no effect without service-law = \"lognormal\"");
            }
            (_, None) => {}
        }
        let Some(costly) = self.costly else { return Ok(()) };
        check_time("system.costly.hold", Some(costly.hold))?;
        if !(1..=self.servers).contains(&costly.servers) {
            let why = format!("must be between 1 and servers ({}), not {}", self.servers, costly.servers);
            return refuse("system.costly.servers", why);
        }
        Ok(())
    }
}

impl Mitigation {
    /// # Errors
    /// [`InvalidSetting`] for a value that is not possible.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if self.retry_budget.is_some_and(|budget| !(0.0..=100.0).contains(&budget)) {
            return refuse("mitigation.retry-budget", "must be between 0 and 100 retries per request");
        }
        if let Some(Admission { rate, burst }) = self.admission {
            if !(rate > 0.0 && rate.is_finite()) {
                return refuse("mitigation.admission.rate", format!("must be above 0 attempts/s, not {rate}"));
            }
            if !(burst >= 1.0 && burst.is_finite()) {
                return refuse("mitigation.admission.burst", format!("must be at least 1, not {burst}"));
            }
        }
        match self.shed {
            Some(shed) if !(0.0..=1.0).contains(&shed.share) => {
                refuse("mitigation.shed.share", format!("must be between 0 and 1, not {}", shed.share))
            }
            _ => Ok(()),
        }
    }
}
