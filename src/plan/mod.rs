//! An experiment that can be carried out: all phases known, every window wide enough to judge by.

pub mod checks;
pub mod config;
pub mod settings;
pub mod source;

use serde::{Deserialize, Serialize};

use crate::arrivals::{Profile, Rate};
use crate::fault::FaultSpec;
use crate::load::plan::{LoadPlan, LoadSettings, OnTimeout, PlanError};
use crate::plan::settings::{Fault, ScriptSetting, Settings};
use crate::script::Script;
use crate::testbed::{TestbedPlan, TestbedSettings};
use crate::units::Time;

/// [`Settings`] that can be carried out. Written as TOML it has every choice spelled out, and replays the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct ExperimentPlan {
    settings: Settings,
    faults: Vec<PlannedFault>,
    observe: Time,
    duration: Time,
    planned: Rate,
}

/// A fault, when it is applied, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFault {
    /// Since the start of load.
    pub at: Time,
    pub lasts: Time,
    pub spec: FaultSpec,
}

impl PlannedFault {
    /// When it is to be removed, since the start of load.
    pub fn end(&self) -> Time {
        self.at.plus(self.lasts)
    }

    /// Every choice as it is typed.
    fn settings(&self) -> Result<Fault, toml::ser::Error> {
        let mut keys = toml::Table::try_from(&self.spec)?;
        keys.remove("kind");
        Ok(Fault { kind: self.spec.kind().to_owned(), at: Some(self.at), lasts: self.lasts, keys })
    }
}

/// A setting that cannot be: the path of its key (`load.rate`, `fault.0.for`) and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidSetting {
    pub key: String,
    pub why: String,
}

fn impossible(key: impl Into<String>, why: impl Into<String>) -> InvalidSetting {
    InvalidSetting { key: key.into(), why: why.into() }
}

/// Where the load goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal<'a> {
    /// To the testbed, which the run starts.
    Embedded(&'a TestbedSettings),
    Url(&'a str),
}

/// Where load goes for as long as nobody knows the testbed's port.
const SOMEWHERE: &str = "http://localhost/";

impl ExperimentPlan {
    /// # Errors
    /// [`InvalidSetting`] says which setting cannot be, and what can.
    pub fn new(mut settings: Settings) -> Result<ExperimentPlan, InvalidSetting> {
        let s = &settings;
        if s.name.trim().is_empty() {
            return Err(impossible("name", "give it a name: the results folder is called by it"));
        }
        match (&s.testbed, &s.target) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => return Err(impossible("name", "no [testbed] and no [target]: say where the load goes")),
            (Some(_), Some(_)) => return Err(impossible("target", "[testbed] is there too: choose one")),
        }
        if s.load.on_timeout.is_some() && s.load.timeout.is_none() {
            return Err(impossible("load.on-timeout", "means nothing without a timeout"));
        }
        if let Some(testbed) = &s.testbed {
            TestbedPlan::new(testbed.clone()).map_err(checks::of_testbed)?;
        }
        checks::target(s)?;
        checks::load(s)?;
        let windows = Windows::of(s.load.rate);
        checks::phases(s, windows)?;
        let faults = checks::faults(s, windows)?;
        let faults_end = faults.iter().map(PlannedFault::end).max();
        checks::monitors(s)?;
        let (observe, duration) = checks::spans(s, windows, faults_end)?;
        let planned = profile(s, &faults).resolve(duration).map_err(|error| checks::of_load(error.into()))?;
        checks::requests(&planned, duration)?;
        let typed: Result<_, _> = faults.iter().map(PlannedFault::settings).collect();
        settings.fault = typed.map_err(|error| impossible("fault", error.to_string()))?;
        settings.phases.observe = Some(observe);
        settings.phases.duration = Some(duration);
        let plan = ExperimentPlan { settings, faults, observe, duration, planned };
        let url = match plan.goal() {
            Goal::Url(url) => url,
            Goal::Embedded(_) => SOMEWHERE,
        };
        match plan.load_plan(url) {
            Ok(_) => Ok(plan),
            Err(error) => Err(checks::of_load(error)),
        }
    }

    pub fn goal(&self) -> Goal<'_> {
        match (&self.settings.testbed, &self.settings.target) {
            (Some(testbed), _) => Goal::Embedded(testbed),
            (None, Some(target)) => Goal::Url(&target.url),
            // `new` lets no such settings through.
            (None, None) => Goal::Url(SOMEWHERE),
        }
    }

    /// The engine whose containers faults and monitors name: `docker`, or an address.
    pub fn engine(&self) -> Option<&str> {
        self.settings.target.as_ref()?.engine.as_deref()
    }

    /// The load, on `url`: the testbed's entry, or that of [`Goal::Url`].
    ///
    /// Without a client timeout a request waits for as long as the run lasts.
    pub fn load_settings(&self, url: &str) -> LoadSettings {
        let load = &self.settings.load;
        let slo = self.settings.verdict.slo.unwrap_or(MOST_SLO);
        LoadSettings {
            threads: load.threads,
            connections: load.connections,
            duration: self.duration,
            arrivals: load.arrivals,
            seed: load.seed,
            script: load.script.as_ref().and_then(|script| match script {
                ScriptSetting::Named(name) => Script::built_in(name),
                ScriptSetting::Given(script) => Some(script.clone()),
            }),
            args: load.args.clone(),
            headers: load.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            when_busy: load.when_busy,
            max_connections: load.max_connections,
            catch_up: load.catch_up,
            timeout: load.timeout.unwrap_or(NO_TIMEOUT),
            on_timeout: self.on_timeout(),
            retries: load.retries,
            drain: slo.plus(load.timeout.unwrap_or(Time::ZERO)),
            warmup: self.settings.phases.warmup,
            ..LoadSettings::new(url, profile(&self.settings, &self.faults))
        }
    }

    /// [`Self::load_settings`], found possible.
    ///
    /// # Errors
    /// [`PlanError`] for a `url` that is none; all else was found possible before.
    pub fn load_plan(&self, url: &str) -> Result<LoadPlan, PlanError> {
        LoadPlan::new(self.load_settings(url))
    }

    /// H: how long after the fault the system may take to recover.
    pub fn observe(&self) -> Time {
        self.observe
    }

    /// The whole of the load, unless the observation is over sooner.
    pub fn duration(&self) -> Time {
        self.duration
    }

    /// Requests per second over time: `load.rate`, but in surges.
    pub fn planned(&self) -> &Rate {
        &self.planned
    }

    pub fn windows(&self) -> Windows {
        Windows::of(self.settings.load.rate)
    }

    /// Its faults, in the order of the file.
    pub fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    pub fn on_timeout(&self) -> OnTimeout {
        match self.settings.load.timeout {
            Some(_) => self.settings.load.on_timeout.unwrap_or(OnTimeout::Abandon),
            None => OnTimeout::Wait,
        }
    }

    /// The resolved plan as TOML: `experiment.toml` of the results.
    ///
    /// # Errors
    /// A text that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// The load's rate over time: faults on the load are a part of it.
fn profile(s: &Settings, faults: &[PlannedFault]) -> Profile {
    let surges = faults.iter().filter_map(|fault| match &fault.spec {
        FaultSpec::Load(load) => Some((fault.at, fault.lasts, load.spec().factor())),
        FaultSpec::Link(_) | FaultSpec::Kept(_) => None,
    });
    Profile::with_surges(s.load.rate, surges)
}

/// SLOs that nobody set lie between these.
pub const LEAST_SLO: Time = Time::from_secs(1);
pub const MOST_SLO: Time = Time::from_secs(5);
/// The longest timeout that a load knows stands for none.
const NO_TIMEOUT: Time = Time::from_secs(24 * 3600);

/// The widths that everything is judged by: of a bin, and of each window, which holds at least five bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// max(1 s, 50/rate)
    pub bin: Time,
    /// The shortest baseline: 5 s.
    pub least_baseline: Time,
    /// The longest: 10 s.
    pub most_baseline: Time,
    /// Good for so long is recovered: 10 s.
    pub recovery: Time,
    /// Then watched for so long: 30 s.
    pub watch: Time,
    /// The end of the load, by which a system that did not recover is judged: 30 s.
    pub last: Time,
}

impl Windows {
    pub fn of(rate: f64) -> Windows {
        let bin = Time(((50e9 / rate).ceil() as u64).max(1_000_000_000));
        let window = |s| Time::from_secs(s).max(bin.times(5));
        let (recovery, watch, last) = (window(10), window(30), window(30));
        Windows { bin, least_baseline: window(5), most_baseline: window(10), recovery, watch, last }
    }
}

impl std::ops::Deref for ExperimentPlan {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl TryFrom<Settings> for ExperimentPlan {
    type Error = InvalidSetting;

    fn try_from(settings: Settings) -> Result<ExperimentPlan, InvalidSetting> {
        ExperimentPlan::new(settings)
    }
}

impl From<ExperimentPlan> for Settings {
    fn from(plan: ExperimentPlan) -> Settings {
        plan.settings
    }
}
