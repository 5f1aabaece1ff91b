//! The load of a plan, without what follows from its other parts.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::error::InvalidSetting;
use super::settings::{Load, ScriptSetting};
use crate::arrivals::{ArrivalProcess, Profile, Rate};
use crate::load::plan::{OnTimeout, PlanError, Retries, Timestamps, WhenBusy};
use crate::script::Script;
use crate::units::{Instant, Time};

/// The load of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedLoad {
    /// Requests per second, without surges: at the start, if there is a profile.
    pub rate: f64,
    /// How the rate changes.
    pub profile: Option<Profile>,
    pub arrivals: ArrivalProcess,
    /// Seed of random arrivals.
    pub seed: u64,
    pub threads: usize,
    pub connections: usize,
    pub when_busy: WhenBusy,
    /// At least `connections`.
    pub max_connections: usize,
    /// With `when-busy = "wait"`: a late schedule is caught up at no more than this multiple of the rate. `None` for no
    /// limit.
    pub catch_up: Option<f64>,
    /// Requests may be sent late by this.
    pub slack: Time,
    pub timeout: Option<ClientTimeout>,
    pub retries: Retries,
    pub timestamps: Timestamps,
    pub method: Option<String>,
    pub body: Option<String>,
    pub script: Option<PlannedScript>,
    /// Passed to the script's `init(args)`.
    pub args: Vec<String>,
    pub headers: BTreeMap<String, String>,
}

/// The client's timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeout {
    pub after: Time,
    pub action: OnTimeout,
}

/// A script that makes the requests.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedScript {
    BuiltIn { name: String, script: Script },
    Given(Script),
}

/// No generator reaches a higher rate. At a lower rate, a window of five bins lasts longer than a day.
pub const RATES: RangeInclusive<f64> = 1e-3..=1e6;
/// Requests of a run: judging and drawing take about 200 bytes of memory for each.
const MAX_REQUESTS: f64 = 1e8;

impl PlannedLoad {
    /// # Errors
    /// [`InvalidSetting`] for a value that is not possible, or that conflicts with another one.
    pub fn resolve(load: Load) -> Result<PlannedLoad, InvalidSetting> {
        let refuse = |key: &str, why: String| Err(InvalidSetting::new(format!("load.{key}"), why));
        let Load { rate, threads, connections, max_connections, when_busy, .. } = load;
        if !RATES.contains(&rate) {
            return refuse("rate", format!("must be between 0.001 and 1000000 requests/s, not {rate}"));
        }
        if let Some(profile) = &load.profile
            && profile.initial_rate() != rate
        {
            let why = format!("must begin with rate ({rate}), not with {}", profile.initial_rate());
            return refuse("profile", why);
        }
        if connections < threads {
            return refuse("connections", format!("must be at least threads ({threads}), not {connections}"));
        }
        if max_connections < connections {
            let why = format!("must be at least connections ({connections}), not {max_connections}");
            return refuse("max-connections", why);
        }
        let timeout = match (load.timeout, load.on_timeout) {
            (None, None) => None,
            (None, Some(_)) => {
                return refuse("on-timeout", "has no effect without timeout. Set timeout in [load].".to_owned());
            }
            (Some(after), action) => Some(ClientTimeout { after, action: action.unwrap_or(OnTimeout::Abandon) }),
        };
        if when_busy == WhenBusy::Pipeline && timeout.is_some_and(|timeout| timeout.action == OnTimeout::Abandon) {
            let why = "must be \"wait\" with when-busy = \"pipeline\": abandoning a request would abandon all requests \
                       behind it on its connection";
            return refuse("on-timeout", why.to_owned());
        }
        if let Some(why) = invalid_header(&load.headers) {
            return refuse("headers", why);
        }
        Ok(PlannedLoad {
            rate,
            profile: load.profile,
            arrivals: load.arrivals,
            seed: load.seed,
            threads,
            connections,
            when_busy,
            max_connections,
            catch_up: load.catch_up,
            slack: load.slack,
            timeout,
            retries: load.retries,
            timestamps: load.timestamps,
            method: load.method,
            body: load.body,
            script: load.script.map(PlannedScript::resolve).transpose()?,
            args: load.args,
            headers: load.headers,
        })
    }

    /// The settings of this load, as in an experiment file.
    pub fn to_settings(&self) -> Load {
        Load {
            rate: self.rate,
            profile: self.profile.clone(),
            arrivals: self.arrivals,
            seed: self.seed,
            threads: self.threads,
            connections: self.connections,
            when_busy: self.when_busy,
            max_connections: self.max_connections,
            catch_up: self.catch_up,
            slack: self.slack,
            timeout: self.timeout.map(|timeout| timeout.after),
            on_timeout: self.timeout.map(|timeout| timeout.action),
            retries: self.retries,
            timestamps: self.timestamps,
            method: self.method.clone(),
            body: self.body.clone(),
            script: self.script.as_ref().map(PlannedScript::to_setting),
            args: self.args.clone(),
            headers: self.headers.clone(),
        }
    }

    /// The time after which the client abandons an attempt, if it does.
    pub fn abandons_after(&self) -> Option<Time> {
        self.timeout.filter(|timeout| timeout.action == OnTimeout::Abandon).map(|timeout| timeout.after)
    }
}

impl PlannedScript {
    fn resolve(setting: ScriptSetting) -> Result<PlannedScript, InvalidSetting> {
        match setting {
            ScriptSetting::Given(script) => Ok(PlannedScript::Given(script)),
            ScriptSetting::Named(name) => match Script::built_in(&name) {
                Some(script) => Ok(PlannedScript::BuiltIn { name, script }),
                None => Err(InvalidSetting::new("load.script", format!("there is no built-in script `{name}`"))),
            },
        }
    }

    fn to_setting(&self) -> ScriptSetting {
        match self {
            PlannedScript::BuiltIn { name, .. } => ScriptSetting::Named(name.clone()),
            PlannedScript::Given(script) => ScriptSetting::Given(script.clone()),
        }
    }

    pub fn script(&self) -> &Script {
        match self {
            PlannedScript::BuiltIn { script, .. } | PlannedScript::Given(script) => script,
        }
    }
}

/// Why a header cannot be sent, or is given twice.
fn invalid_header(headers: &BTreeMap<String, String>) -> Option<String> {
    let mut names: Vec<&String> = headers.keys().collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    let twice = names.windows(2).find(|names| names[0].eq_ignore_ascii_case(names[1]));
    if let Some(twice) = twice {
        return Some(format!("`{}` and `{}` are the same header", twice[0], twice[1]));
    }
    headers.iter().find_map(|(name, value)| {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Some(format!("`{name}` is not a header name"));
        }
        let is_broken = value.contains(['\r', '\n', '\0']);
        is_broken.then(|| format!("`{name}` has a line break or a null character in its value"))
    })
}

/// Refuses a load with more requests than a report can hold in memory.
pub fn check_requests(rate: &Rate, duration: Time) -> Result<(), InvalidSetting> {
    let requests = rate.cumulated(Instant::START.plus(duration));
    if requests <= MAX_REQUESTS {
        return Ok(());
    }
    let why = format!(
        "makes {requests:.0} requests in {duration}, and a report can hold {MAX_REQUESTS:.0}. Lower the rate, or shorten \
         the load."
    );
    Err(InvalidSetting::new("load.rate", why))
}

/// An error of the load, under the key that the setting has in an experiment.
pub fn invalid_load(error: PlanError) -> InvalidSetting {
    let (key, why) = match error {
        PlanError::Target(error) => ("target.url".to_owned(), error.to_string()),
        PlanError::Rate(error) => ("load.rate".to_owned(), error.to_string()),
        PlanError::FewConnections { .. } => ("load.connections".to_owned(), error.to_string()),
        PlanError::Conflict { option, why } => (format!("load.{option}"), why.to_owned()),
        PlanError::Range { option, range, value } => {
            let key = match option {
                "duration" | "warmup" => format!("phases.{option}"),
                // The drain is the SLO and the timeout.
                "drain" => "load.timeout".to_owned(),
                option => format!("load.{option}"),
            };
            (key, format!("must be {range}, not {value}"))
        }
    };
    InvalidSetting { key, why }
}
