//! An experiment as typed: a TOML file, and the flags that change it. [`ExperimentPlan`] is the same, found possible.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{ExperimentPlan, Impossible};
use super::source::{ConfigError, Source};
use crate::arrivals::Process;
use crate::load::plan::{OnTimeout, Retries, WhenBusy};
use crate::script::Script;
use crate::testbed::TestbedSettings;
use crate::units::Time;

/// The experiment that runs when none is named.
pub const DEFAULT: &str = include_str!("../../experiments/embedded.toml");

/// An experiment file. Every key is described in `experiments/embedded.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    pub name: String,
    /// The system that the run starts itself; or else `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testbed: Option<TestbedSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    pub load: Load,
    #[serde(default)]
    pub phases: Phases,
    #[serde(default)]
    pub verdict: VerdictSettings,
    #[serde(default)]
    pub fault: Vec<Fault>,
    #[serde(default)]
    pub monitor: Vec<Monitor>,
}

/// A system that runs already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub url: String,
}

/// [`crate::load::LoadSettings`], but for what follows from the rest of the experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    #[serde(default)]
    pub arrivals: Process,
    #[serde(default = "default_seed")]
    pub seed: u64,
    #[serde(default = "default_threads")]
    pub threads: usize,
    #[serde(default = "default_connections")]
    pub connections: usize,
    #[serde(default)]
    pub when_busy: WhenBusy,
    /// Never below `connections`.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    #[serde(default = "default_catch_up")]
    pub catch_up: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// Only with `timeout`; `abandon` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,
    #[serde(default)]
    pub retries: Retries,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptSetting>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A script's name (one that comes with the program, or a file's), or the script itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write the name of a built-in script, a path, or { name, text }")]
pub enum ScriptSetting {
    Named(String),
    Given(Script),
}

/// When what happens, in spans of the run's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phases {
    pub warmup: Time,
    pub baseline: Time,
    /// How long a system may take to recover before it counts as stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe: Option<Time>,
    /// The whole of the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Time>,
}

impl Default for Phases {
    fn default() -> Phases {
        Phases { warmup: Time::from_secs(5), baseline: Time::from_secs(10), observe: None, duration: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerdictSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    pub kind: FaultKind,
    /// Right after the baseline unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    #[serde(rename = "for")]
    pub lasts: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The testbed's link between post-storage and post-db passes nothing.
    Link,
}

impl FaultKind {
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::Link => "link",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Monitor {
    pub kind: MonitorKind,
    pub component: String,
    #[serde(default = "default_every")]
    pub every: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitorKind {
    /// A process of the testbed, read from procfs.
    Process,
}

fn default_seed() -> u64 {
    1
}

fn default_threads() -> usize {
    1
}

fn default_connections() -> usize {
    64
}

fn default_max_connections() -> usize {
    10_000
}

/// wrk2's: a connection that fell behind sends at up to twice its rate.
fn default_catch_up() -> f64 {
    2.0
}

fn default_every() -> Time {
    Time::from_millis(100)
}

/// Flags that change a file's settings before they are judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    pub name: Option<String>,
    /// `load.rate`
    pub rate: Option<f64>,
    /// `load.connections`; `max-connections` follows where it would be less.
    pub connections: Option<usize>,
    /// `load.seed`
    pub seed: Option<u64>,
    /// How long each fault lasts; zero takes all faults out.
    pub outage: Option<Time>,
    /// `phases.duration`: the whole of the load. `observe` is then what it leaves room for.
    pub duration: Option<Time>,
    /// Where results go: no setting of the file, read by the run.
    pub out: Option<PathBuf>,
}

impl Overrides {
    fn apply(&self, settings: &mut Settings) {
        let Overrides { name, rate, connections, seed, outage, duration, out: _ } = self;
        settings.name = name.clone().unwrap_or_else(|| settings.name.clone());
        let load = &mut settings.load;
        load.rate = rate.unwrap_or(load.rate);
        load.seed = seed.unwrap_or(load.seed);
        if let Some(connections) = *connections {
            load.connections = connections;
            load.max_connections = load.max_connections.max(connections);
        }
        match *outage {
            Some(Time::ZERO) => settings.fault.clear(),
            Some(lasts) => settings.fault.iter_mut().for_each(|fault| fault.lasts = lasts),
            None => {}
        }
        if let Some(duration) = *duration {
            settings.phases.duration = Some(duration);
            settings.phases.observe = None;
        }
    }

    /// The flag that set the value at `key`, if one did.
    fn flag(&self, key: &str) -> Option<&'static str> {
        let set = match key {
            "name" => (self.name.is_some(), "--name"),
            "load.rate" => (self.rate.is_some(), "--rate"),
            "load.connections" | "load.max-connections" => (self.connections.is_some(), "--connections"),
            "phases.duration" => (self.duration.is_some(), "--duration"),
            _ if key.starts_with("fault.") && key.ends_with(".for") => (self.outage.is_some(), "--outage"),
            _ => (false, ""),
        };
        set.0.then_some(set.1)
    }
}

/// Reads an experiment file (the embedded default for `None`), and the script that it names, by a path from its folder.
///
/// # Errors
/// [`ConfigError`] names the file, the line and the key, or the flag.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<ExperimentPlan, ConfigError> {
    let Some(path) = file else {
        return parse(DEFAULT, "experiments/embedded.toml", Path::new(""), overrides);
    };
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&read(path)?, &path.display().to_string(), folder, overrides)
}

/// An experiment from its text. Errors call it `origin`; scripts that it names are looked for in `folder`.
///
/// # Errors
/// [`ConfigError`] names the line and the key, or the flag.
pub fn parse(text: &str, origin: &str, folder: &Path, overrides: &Overrides) -> Result<ExperimentPlan, ConfigError> {
    let source = Source { origin, text };
    let mut settings: Settings = source.parse()?;
    overrides.apply(&mut settings);
    read_script(&mut settings.load.script, folder).map_err(|why| source.error("load.script", why))?;
    ExperimentPlan::new(settings).map_err(|Impossible { key, why }| match overrides.flag(&key) {
        Some(flag) => ConfigError::Flag { flag, why },
        None => source.error(&key, why),
    })
}

/// A script that is no built-in one is read here, so that the plan has all that it takes.
fn read_script(script: &mut Option<ScriptSetting>, folder: &Path) -> Result<(), String> {
    if let Some(ScriptSetting::Named(name)) = script
        && Script::built_in(name).is_none()
    {
        let path = folder.join(&*name);
        let text = std::fs::read_to_string(&path)
            .map_err(|e| format!("no built-in script, and cannot read {}: {e}", path.display()))?;
        *script = Some(ScriptSetting::Given(Script { name: name.clone(), text }));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
