//! An experiment that can be carried out: all phases known, every window wide enough to judge by.

use serde::{Deserialize, Serialize};

use super::config::{Fault, FaultKind, ScriptSetting, Settings};
use crate::load::plan::{LoadPlan, LoadSettings, OnTimeout, PlanError};
use crate::script::Script;
use crate::testbed::{TestbedPlan, TestbedPlanError, TestbedSettings};
use crate::units::Time;

/// [`Settings`] that can be carried out. Written as TOML it has every choice spelled out, and replays the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct ExperimentPlan {
    settings: Settings,
    observe: Time,
    duration: Time,
}

/// A setting that cannot be: the path of its key (`load.rate`, `fault.0.for`) and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct Impossible {
    pub key: String,
    pub why: String,
}

fn impossible(key: impl Into<String>, why: impl Into<String>) -> Impossible {
    Impossible { key: key.into(), why: why.into() }
}

/// Where the load goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal<'a> {
    /// To the testbed, which the run starts.
    Embedded(&'a TestbedSettings),
    Url(&'a str),
}

/// A fault's removal may take this long to be verified without shortening the observation.
const VERIFICATION: Time = Time::from_secs(5);
/// The components of the testbed.
const COMPONENTS: [&str; 3] = ["compose-post", "post-storage", "post-db"];
/// Where load goes for as long as nobody knows the testbed's port.
const SOMEWHERE: &str = "http://localhost/";

impl ExperimentPlan {
    /// # Errors
    /// [`Impossible`] says which setting cannot be, and what can.
    pub fn new(mut settings: Settings) -> Result<ExperimentPlan, Impossible> {
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
            TestbedPlan::new(testbed.clone()).map_err(of_testbed)?;
        }
        check_load(s)?;
        let windows = Windows::of(s.load.rate);
        check_phases(s, windows)?;
        let (faults_end, default_at) = (check_faults(s, windows)?, s.phases.warmup.plus(s.phases.baseline));
        check_monitors(s)?;
        let (observe, duration) = spans(s, windows, faults_end)?;
        settings.fault.iter_mut().for_each(|fault| fault.at = fault.at.or(Some(default_at)));
        settings.phases.observe = Some(observe);
        settings.phases.duration = Some(duration);
        let plan = ExperimentPlan { settings, observe, duration };
        let url = match plan.goal() {
            Goal::Url(url) => url,
            Goal::Embedded(_) => SOMEWHERE,
        };
        match plan.load_plan(url) {
            Ok(_) => Ok(plan),
            Err(error) => Err(of_load(error)),
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

    /// The load, on `url`: the testbed's entry, or that of [`Goal::Url`].
    ///
    /// Without a client timeout a request waits for as long as the run lasts.
    pub fn load_settings(&self, url: &str) -> LoadSettings {
        let load = &self.settings.load;
        let slo = self.settings.verdict.slo.unwrap_or(MOST_SLO);
        LoadSettings {
            url: url.to_owned(),
            threads: load.threads,
            connections: load.connections,
            duration: self.duration,
            rate: load.rate,
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
            ahead: true,
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

    pub fn windows(&self) -> Windows {
        Windows::of(self.settings.load.rate)
    }

    /// When a fault is to be applied.
    pub fn at(&self, fault: &Fault) -> Time {
        fault.at.unwrap_or(self.settings.phases.warmup.plus(self.settings.phases.baseline))
    }

    fn on_timeout(&self) -> OnTimeout {
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

fn check_load(s: &Settings) -> Result<(), Impossible> {
    let rate = s.load.rate;
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(impossible("load.rate", format!("must be above 0 requests/s, not {rate}")));
    }
    Ok(())
}

/// What the load finds impossible, by the key that it has in an experiment.
fn of_load(error: PlanError) -> Impossible {
    let key = match &error {
        PlanError::Target(_) => "target.url",
        PlanError::FewConnections { .. } => "load.connections",
        PlanError::Range { what: "duration", .. } => "phases.duration",
        PlanError::Range { what: "warmup", .. } => "phases.warmup",
        PlanError::Range { what: "drain", .. } => "load.timeout",
        PlanError::Range { what, .. } => return impossible(format!("load.{what}"), error.to_string()),
    };
    impossible(key, error.to_string())
}

/// What the testbed finds impossible, by the key that it has in an experiment.
fn of_testbed(error: TestbedPlanError) -> Impossible {
    match &error {
        TestbedPlanError::Leaky(..) => impossible("testbed.budget", error.to_string()),
        TestbedPlanError::Range { what, .. } => impossible(format!("testbed.{what}"), error.to_string()),
    }
}

const DAY: Time = Time::from_secs(24 * 3600);

fn check_phases(s: &Settings, windows: Windows) -> Result<(), Impossible> {
    let times = [("phases.warmup", s.phases.warmup), ("phases.baseline", s.phases.baseline)];
    if let Some((key, _)) = times.into_iter().find(|(_, time)| *time > DAY) {
        return Err(impossible(key, "must be at most 24h"));
    }
    if s.phases.baseline < windows.least_baseline {
        let least = windows.least_baseline;
        return Err(impossible(
            "phases.baseline",
            format!("must be at least {least} at {} requests/s, to hold 5 bins of 50 requests or 1s", s.load.rate),
        ));
    }
    if s.phases.observe.is_some_and(|observe| observe < windows.last || observe > DAY) {
        return Err(impossible("phases.observe", format!("must be between {} and 24h", windows.last)));
    }
    if s.verdict.slo.is_some_and(|slo| slo == Time::ZERO || slo > Time::from_secs(3600)) {
        return Err(impossible("verdict.slo", "must be above 0 and at most 1h"));
    }
    Ok(())
}

/// When the last fault is to be gone, if there is one.
fn check_faults(s: &Settings, windows: Windows) -> Result<Option<Time>, Impossible> {
    let default_at = s.phases.warmup.plus(s.phases.baseline);
    let earliest = s.phases.warmup.plus(windows.least_baseline);
    let mut spans: Vec<(FaultKind, Time, Time)> = Vec::new();
    for (i, fault) in s.fault.iter().enumerate() {
        let at = fault.at.unwrap_or(default_at);
        let end = at.plus(fault.lasts);
        if fault.lasts == Time::ZERO || end > DAY {
            return Err(impossible(format!("fault.{i}.for"), "must be above 0, and over within 24h"));
        }
        if at < earliest {
            let why = format!("must be at {earliest} or later: before it come the warm-up and the least baseline");
            return Err(impossible(format!("fault.{i}.at"), why));
        }
        if spans.iter().any(|&(kind, from, to)| kind == fault.kind && at < to && from < end) {
            return Err(impossible(format!("fault.{i}.at"), "overlaps an earlier fault of its kind"));
        }
        if fault.kind == FaultKind::Link && s.testbed.is_none() {
            return Err(impossible(format!("fault.{i}.kind"), "only the [testbed] has a link to cut"));
        }
        spans.push((fault.kind, at, end));
    }
    Ok(spans.into_iter().map(|(_, _, end)| end).max())
}

fn check_monitors(s: &Settings) -> Result<(), Impossible> {
    for (i, monitor) in s.monitor.iter().enumerate() {
        if s.testbed.is_none() || !COMPONENTS.contains(&monitor.component.as_str()) {
            let why = format!("is no component of a [testbed]; those are {}", COMPONENTS.join(", "));
            return Err(impossible(format!("monitor.{i}.component"), why));
        }
        if s.monitor[..i].iter().any(|other| other.component == monitor.component) {
            return Err(impossible(format!("monitor.{i}.component"), "has a monitor already"));
        }
        if !(Time::from_millis(10)..=Time::from_secs(60)).contains(&monitor.every) {
            return Err(impossible(format!("monitor.{i}.every"), "must be between 10ms and 60s"));
        }
    }
    Ok(())
}

/// H, and the length of the load.
///
/// H = max(60 s, 3 x outage, 20 x client timeout if there is one that the client acts on). The load lasts until a system
/// that recovers at the very end of H is known to: recovery window, watch, and a bin. A set duration gives H what it
/// leaves room for.
fn spans(s: &Settings, windows: Windows, faults_end: Option<Time>) -> Result<(Time, Time), Impossible> {
    let outage = s.fault.iter().map(|fault| fault.lasts).max().unwrap_or(Time::ZERO);
    let abandons = s.load.on_timeout.unwrap_or(OnTimeout::Abandon) == OnTimeout::Abandon;
    let timeout = s.load.timeout.filter(|_| abandons).unwrap_or(Time::ZERO);
    let usual = Time::from_secs(60).max(outage.times(3)).max(timeout.times(20)).max(windows.last);
    let Some(faults_end) = faults_end else {
        let least = s.phases.warmup.plus(windows.least_baseline);
        let observe = s.phases.observe.unwrap_or(usual);
        let duration = s.phases.duration.unwrap_or(s.phases.warmup.plus(s.phases.baseline).plus(observe));
        if duration < least {
            return Err(impossible("phases.duration", format!("must be at least {least}, warm-up included")));
        }
        return Ok((observe, duration));
    };
    let around = faults_end.plus(VERIFICATION).plus(windows.recovery).plus(windows.watch).plus(windows.bin);
    let (least, given) = (around.plus(s.phases.observe.unwrap_or(windows.last)), s.phases.duration);
    match (given, s.phases.observe) {
        (Some(duration), _) if duration < least => {
            let why = format!("must be at least {least} with this fault: until it is gone, and long enough to judge");
            Err(impossible("phases.duration", why))
        }
        (Some(duration), observe) => Ok((observe.unwrap_or(duration.minus(around)), duration)),
        (None, observe) => {
            let observe = observe.unwrap_or(usual);
            Ok((observe, around.plus(observe)))
        }
    }
}

impl std::ops::Deref for ExperimentPlan {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl TryFrom<Settings> for ExperimentPlan {
    type Error = Impossible;

    fn try_from(settings: Settings) -> Result<ExperimentPlan, Impossible> {
        ExperimentPlan::new(settings)
    }
}

impl From<ExperimentPlan> for Settings {
    fn from(plan: ExperimentPlan) -> Settings {
        plan.settings
    }
}
