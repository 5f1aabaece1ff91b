//! The plan of an experiment, from a TOML file to a resolved [`ExperimentPlan`].
//!
//! [`config`] reads a file and the flags that change it into [`settings`], which have the form of the file.
//! [`ExperimentPlan::resolve`] checks them and fills in what they leave out. Each part of a plan has its own file, with
//! its checks and its way back to settings: [`System`], [`PlannedLoad`], [`PlannedPhases`], [`PlannedFault`] and
//! [`PlannedMonitor`].

pub mod config;
mod error;
mod faults;
mod load;
mod monitors;
mod phases;
pub mod settings;
pub mod source;
mod system;
mod thresholds;
mod windows;

use serde::{Deserialize, Serialize, Serializer, ser};

use crate::arrivals::{Profile, Rate};
use crate::fault::FaultSpec;
use crate::load::plan::{LoadPlan, LoadSettings, OnTimeout, PlanError, WarmupBy};
use crate::plan::settings::{Settings, VerdictSettings};
use crate::threshold::Thresholds;
use crate::units::{Instant, Time};

pub use error::InvalidSetting;
pub use faults::PlannedFault;
pub use load::{ClientTimeout, PlannedLoad, PlannedScript, RATES};
pub use monitors::{MonitoredComponent, PlannedMonitor};
pub use phases::PlannedPhases;
pub use system::{EngineAddress, System};
pub use windows::{MAX_SLO, MIN_SLO, VerdictWindows};

/// An experiment with all choices made. Written as TOML it replays the run: reading it back gives the same plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct ExperimentPlan {
    name: String,
    system: System,
    load: PlannedLoad,
    phases: PlannedPhases,
    slo: Option<Time>,
    early: Option<Time>,
    faults: Vec<PlannedFault>,
    monitors: Vec<PlannedMonitor>,
    thresholds: Thresholds,
    /// The rate over time, with surges: as the load has it, and for the length of this run.
    profile: Profile,
    rate: Rate,
}

/// Stands for the testbed's URL, which is unknown until the testbed runs.
const PLACEHOLDER_URL: &str = "http://localhost/";
/// The longest timeout of a load stands for no timeout.
const NO_TIMEOUT: Time = Time::from_secs(24 * 3600);

impl ExperimentPlan {
    /// # Errors
    /// [`InvalidSetting`] for a setting that is not possible.
    pub fn resolve(settings: Settings) -> Result<ExperimentPlan, InvalidSetting> {
        let Settings { name, testbed, target, load, phases, verdict, fault, monitor, threshold } = settings;
        if name.trim().is_empty() {
            return Err(InvalidSetting::new("name", "must not be empty: it is part of the results folder's name"));
        }
        let system = System::resolve(testbed, target)?;
        let load = PlannedLoad::resolve(load)?;
        let early = phases::resolve_early(&verdict)?;
        let windows = find_windows(load.rate, early);
        phases::check_phases(&phases, windows, load.rate)?;
        let slo = phases::resolve_slo(&verdict)?;
        let faults = faults::resolve_faults(&fault, &system, &phases, windows, load.rate)?;
        let monitors = monitors::resolve_monitors(&monitor, &system)?;
        let outage = faults::find_outage(&faults);
        let thresholds = thresholds::resolve_thresholds(&threshold, slo.is_some())?;
        let phases = PlannedPhases::resolve(&phases, windows, outage, load.abandons_after())?;
        let profile = find_profile(&load, &faults)?;
        let rate = profile.resolve(phases.duration).map_err(PlanError::from);
        let rate = rate.map_err(load::invalid_load)?;
        load::check_requests(&rate, phases.duration)?;
        let plan =
            ExperimentPlan { name, system, load, phases, slo, early, faults, monitors, thresholds, profile, rate };
        let url = match &plan.system {
            System::Testbed(_) => PLACEHOLDER_URL,
            System::Target { url, .. } => url,
        };
        match plan.load_plan(url) {
            Ok(_) => Ok(plan),
            Err(error) => Err(load::invalid_load(error)),
        }
    }

    /// Refuses settings that an experiment file may not have, while the results of an earlier version may.
    ///
    /// # Errors
    /// [`InvalidSetting`] for a fault with a length that has no effect.
    pub fn check_current(&self) -> Result<(), InvalidSetting> {
        faults::refuse_durations(&self.faults)
    }

    /// The settings of an experiment file that resolves to this plan, without defaults.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_settings(&self) -> Result<Settings, toml::ser::Error> {
        let (testbed, target) = self.system.to_settings();
        Ok(Settings {
            name: self.name.clone(),
            testbed,
            target,
            load: self.load.to_settings(),
            phases: self.phases.to_settings(),
            verdict: VerdictSettings { slo: self.slo, early: self.early },
            fault: self.faults.iter().map(PlannedFault::to_settings).collect::<Result<_, _>>()?,
            monitor: self.monitors.iter().map(PlannedMonitor::to_settings).collect(),
            threshold: thresholds::to_settings(&self.thresholds),
        })
    }

    /// The plan as TOML: `experiment.toml` of the results.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&self.to_settings()?)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The system under test.
    pub fn system(&self) -> &System {
        &self.system
    }

    pub fn load(&self) -> &PlannedLoad {
        &self.load
    }

    pub fn phases(&self) -> PlannedPhases {
        self.phases
    }

    /// The SLO, if the plan sets one. Otherwise it follows from the baseline.
    pub fn slo(&self) -> Option<Time> {
        self.slo
    }

    /// How long a system must be stuck so that the run ends before H is over, if the plan is judged early.
    pub fn early(&self) -> Option<Time> {
        self.early
    }

    /// The faults, in the order of the file.
    pub fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// The monitors, in the order of the file.
    pub fn monitors(&self) -> &[PlannedMonitor] {
        &self.monitors
    }

    /// The conditions that the run must keep.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Requests per second over time, with surges.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }

    /// The windows that the run is judged by.
    pub fn windows(&self) -> VerdictWindows {
        find_windows(self.load.rate, self.early)
    }

    /// The windows that a run of this plan at another rate is judged by.
    pub fn windows_at(&self, rate: f64) -> VerdictWindows {
        find_windows(rate, self.early)
    }

    /// The settings of the load on `url`, which is the testbed's or that of [`System::Target`].
    pub fn load_settings(&self, url: &str) -> LoadSettings {
        let load = &self.load;
        // Without a client timeout a request waits until the run ends.
        let (timeout, on_timeout) =
            load.timeout.map_or((NO_TIMEOUT, OnTimeout::Wait), |timeout| (timeout.after, timeout.action));
        let drain_after_slo = load.timeout.map_or(Time::ZERO, |timeout| timeout.after);
        LoadSettings {
            threads: load.threads,
            connections: load.connections,
            duration: self.phases.duration,
            arrivals: load.arrivals,
            seed: load.seed,
            script: load.script.as_ref().map(|script| script.script().clone()),
            method: load.method.clone().or_else(|| load.body.as_ref().map(|_| "POST".to_owned())),
            body: load.body.as_deref().map(Into::into),
            args: load.args.iter().map(|arg| arg.as_str().into()).collect(),
            headers: load.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
            when_busy: load.when_busy,
            max_connections: load.max_connections,
            catch_up: load.catch_up,
            slack: load.slack,
            timeout,
            on_timeout,
            retries: load.retries,
            timestamps: load.timestamps,
            drain: self.slo.unwrap_or(MAX_SLO).plus(drain_after_slo),
            warmup: self.phases.warmup,
            warmup_by: WarmupBy::Due,
            ..LoadSettings::new(url, self.profile.clone())
        }
    }

    /// The load on `url`.
    ///
    /// # Errors
    /// [`PlanError`] for an invalid `url`. The other settings were checked when the plan was resolved.
    pub fn load_plan(&self, url: &str) -> Result<LoadPlan, PlanError> {
        LoadPlan::new(self.load_settings(url))
    }
}

fn find_windows(rate: f64, early: Option<Time>) -> VerdictWindows {
    let windows = VerdictWindows::of(rate);
    early.map_or(windows, |stuck| windows.judging_early(stuck))
}

/// The rate over time: faults on the load are part of it.
fn find_profile(load: &PlannedLoad, faults: &[PlannedFault]) -> Result<Profile, InvalidSetting> {
    let surges = faults.iter().filter_map(|fault| match &fault.spec {
        FaultSpec::Load(load) => {
            Some((fault.at.since(Instant::START), fault.end().since(fault.at), load.spec().factor()))
        }
        FaultSpec::Link(_) | FaultSpec::Kept(_) => None,
    });
    let mut surges = surges.peekable();
    match &load.profile {
        Some(_) if surges.peek().is_some() => {
            Err(InvalidSetting::new("load.profile", "conflicts with a surge. Write the surge into the profile"))
        }
        Some(profile) => Ok(profile.clone()),
        None => Ok(Profile::with_surges(load.rate, surges)),
    }
}

impl TryFrom<Settings> for ExperimentPlan {
    type Error = InvalidSetting;

    fn try_from(settings: Settings) -> Result<ExperimentPlan, InvalidSetting> {
        ExperimentPlan::resolve(settings)
    }
}

impl Serialize for ExperimentPlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_settings().map_err(ser::Error::custom)?.serialize(serializer)
    }
}
