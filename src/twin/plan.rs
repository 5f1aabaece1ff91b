//! A twin file: a simulated system, with the load, the phases and the verdict of an experiment.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::model::{Mitigation, SystemModel};
use super::simulation::{ClientModel, Outage};
use crate::input;
use crate::load::plan::WhenBusy;
use crate::plan::settings::{Fault, Load, Phases, Settings, Target, VerdictSettings};
use crate::plan::source::{ConfigError, Source};
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::units::{Instant, Time};

/// A twin file. `[load]`, `[phases]` and `[verdict]` are those of an experiment file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TwinSettings {
    pub name: String,
    pub system: SystemModel,
    #[serde(default)]
    pub mitigation: Mitigation,
    pub load: Load,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<OutageSettings>,
    #[serde(default)]
    pub phases: Phases,
    #[serde(default)]
    pub verdict: VerdictSettings,
}

/// `[outage]`: nothing is served for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutageSettings {
    /// Since the start of load. Default: right after the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    #[serde(rename = "for")]
    pub lasts: Time,
}

/// What a simulated run may differ in from its file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TwinOverrides {
    pub rate: Option<f64>,
    /// Zero removes the outage.
    pub outage: Option<Time>,
    pub seed: Option<u64>,
    /// The time that the system has to recover. It is judged as a whole.
    pub observe: Option<Time>,
}

impl TwinOverrides {
    fn apply(&self, settings: &mut TwinSettings) -> Result<(), InvalidSetting> {
        let TwinOverrides { rate, outage, seed, observe } = *self;
        if let Some(rate) = rate {
            // A profile begins with the rate.
            if settings.load.profile.is_some() {
                return Err(InvalidSetting::new("load.profile", "must not be set for another rate. Remove it"));
            }
            settings.load.rate = rate;
        }
        settings.load.seed = seed.unwrap_or(settings.load.seed);
        match outage {
            Some(Time::ZERO) => (settings.outage, settings.mitigation.shed) = (None, None),
            Some(lasts) => settings.outage = Some(OutageSettings { at: settings.outage.and_then(|old| old.at), lasts }),
            None => {}
        }
        if observe.is_some() {
            (settings.phases.observe, settings.verdict.early) = (observe, observe);
        }
        if rate.is_some() || outage.is_some() || observe.is_some() {
            settings.phases.duration = None;
        }
        Ok(())
    }

    /// The flag that has changed `key`.
    fn flag(&self, key: &str) -> Option<&'static str> {
        match key {
            "load.rate" => self.rate.and(Some("--rate")),
            "outage.for" => self.outage.and(Some("--outage")),
            _ => None,
        }
    }
}

/// A twin with all choices made.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinPlan {
    settings: TwinSettings,
    /// What the simulated run is judged as.
    experiment: ExperimentPlan,
}

/// A simulation with more attempts would need more than about 2 GB of memory.
const MAX_ATTEMPTS: f64 = 3e7;
/// The outage stands for any fault, so it is judged as one that is on no part of the system. The commands are never run.
const FAULT: &str = "command";
/// No request is sent to it.
const URL: &str = "http://twin.invalid/";

impl TwinPlan {
    /// # Errors
    /// [`InvalidSetting`] for a setting that is not possible.
    pub fn resolve(settings: TwinSettings) -> Result<TwinPlan, InvalidSetting> {
        settings.system.check()?;
        settings.mitigation.check()?;
        if settings.mitigation.shed.is_some() && settings.outage.is_none() {
            let why = "has no effect without an outage. Add [outage], or remove it";
            return Err(InvalidSetting::new("mitigation.shed", why));
        }
        let experiment = ExperimentPlan::resolve(to_experiment(&settings)).map_err(|InvalidSetting { key, why }| {
            let key = key.strip_prefix("fault.0.").map_or(key.clone(), |key| format!("outage.{key}"));
            InvalidSetting { key, why }
        })?;
        let plan = TwinPlan { settings, experiment };
        let attempts = plan.most_attempts();
        if attempts > MAX_ATTEMPTS {
            let why = format!(
                "makes up to {attempts:.0} attempts, and at most {MAX_ATTEMPTS:.0} are simulated. Lower the rate and the \
                 number of servers by the same factor, or shorten the load"
            );
            return Err(InvalidSetting::new("load.rate", why));
        }
        Ok(plan)
    }

    /// The most attempts that a run makes.
    fn most_attempts(&self) -> f64 {
        let requests = self.experiment.rate().cumulated(Instant::START.plus(self.experiment.phases().duration));
        requests * (1.0 + f64::from(self.settings.load.retries.count))
    }

    /// How many runs of this plan have enough memory at once: one, or a few.
    pub fn runs_at_once(&self) -> usize {
        (MAX_ATTEMPTS / self.most_attempts().max(1.0)).max(1.0) as usize
    }

    /// Reads a twin file.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, the line and the key, or with the flag of an override.
    pub fn read(path: &Path, overrides: &TwinOverrides) -> Result<TwinPlan, ConfigError> {
        let text = input::read_named_text(path, input::MAX_EXPERIMENT)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        TwinPlan::parse(&text, &path.display().to_string(), overrides)
    }

    /// Reads a twin from its text. `origin` is its name in errors.
    ///
    /// # Errors
    /// [`ConfigError`] with the line and the key, or with the flag of an override.
    pub fn parse(text: &str, origin: &str, overrides: &TwinOverrides) -> Result<TwinPlan, ConfigError> {
        let source = Source { origin, text };
        let mut settings = source.parse()?;
        let plan = overrides.apply(&mut settings).and_then(|()| TwinPlan::resolve(settings));
        plan.map_err(|InvalidSetting { key, why }| match overrides.flag(&key) {
            Some(flag) => ConfigError::Flag { flag, why },
            None => source.error(&key, why),
        })
    }

    /// The same twin at another rate, or with another outage. The length of the load follows from them again.
    ///
    /// # Errors
    /// [`InvalidSetting`] for a value that is not possible.
    pub fn vary(&self, overrides: &TwinOverrides) -> Result<TwinPlan, InvalidSetting> {
        let mut settings = self.settings.clone();
        overrides.apply(&mut settings)?;
        TwinPlan::resolve(settings)
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The file that resolves to this plan.
    pub fn settings(&self) -> &TwinSettings {
        &self.settings
    }

    /// The experiment that a run of this twin stands for. The verdict follows from it.
    pub fn experiment(&self) -> &ExperimentPlan {
        &self.experiment
    }

    pub fn rate(&self) -> f64 {
        self.settings.load.rate
    }

    pub fn client(&self) -> ClientModel {
        let load = self.experiment.load();
        ClientModel {
            timeout: load.abandons_after(),
            retries: load.retries,
            connections: match load.when_busy {
                WhenBusy::Open => load.max_connections,
                WhenBusy::Wait => load.connections,
                // Requests are written behind others, as many as there are.
                WhenBusy::Pipeline => usize::MAX,
            },
        }
    }

    pub fn outage(&self) -> Option<Outage> {
        let fault = self.experiment.faults().first()?;
        Some(Outage { from: fault.at, to: fault.end() })
    }
}

/// The experiment that a run is judged as.
fn to_experiment(settings: &TwinSettings) -> Settings {
    let TwinSettings { name, load, outage, phases, verdict, .. } = settings.clone();
    let keys = ["apply", "undo"].map(|key| (key.to_owned(), toml::Value::from("true")));
    let fault = |outage: OutageSettings| Fault {
        kind: FAULT.to_owned(),
        at: outage.at,
        lasts: Some(outage.lasts),
        keys: keys.into_iter().collect(),
    };
    Settings {
        name,
        testbed: None,
        target: Some(Target { url: URL.to_owned(), engine: None }),
        load,
        phases,
        verdict,
        fault: outage.map(fault).into_iter().collect(),
        monitor: Vec::new(),
        threshold: Vec::new(),
    }
}
