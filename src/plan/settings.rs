//! An experiment as typed: what a TOML file may say. [`super::ExperimentPlan`] is the same, found possible.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arrivals::ArrivalProcess;
use crate::load::plan::{OnTimeout, Retries, WhenBusy};
use crate::script::Script;
use crate::testbed::TestbedSettings;
use crate::units::Time;

/// An experiment file. Every key is described in `experiments/embedded.toml`, and those of Docker in `docker.toml` there.
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
    /// Whose containers faults and monitors name: `docker`, the engine that the user's environment means, or the address
    /// of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// The engine that the user's environment means.
pub const DOCKER: &str = "docker";

/// [`crate::load::LoadSettings`], but for what follows from the rest of the experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    #[serde(default)]
    pub arrivals: ArrivalProcess,
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

/// A `[[fault]]` as typed: [`super::PlannedFault`] is the same, found possible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: String,
    /// Right after the baseline unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    #[serde(rename = "for")]
    pub lasts: Time,
    /// The keys of its kind.
    #[serde(flatten)]
    pub keys: toml::Table,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Monitor {
    pub kind: MonitorKind,
    /// Of the testbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// By name, compose service or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(default = "default_every")]
    pub every: Time,
}

impl Monitor {
    /// What it looks at, as samples call it.
    pub fn source(&self) -> Option<&str> {
        self.component.as_deref().or(self.container.as_deref())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitorKind {
    /// A process of the testbed, read from procfs.
    Process,
    /// A container of the target's engine.
    Container,
}

impl MonitorKind {
    /// The key that says which one.
    pub const fn key(self) -> &'static str {
        match self {
            MonitorKind::Process => "component",
            MonitorKind::Container => "container",
        }
    }
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
