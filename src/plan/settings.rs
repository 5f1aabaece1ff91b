//! The settings of an experiment: the keys of a TOML file. [`super::ExperimentPlan`] is the checked and complete form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arrivals::{ArrivalProcess, Profile};
use crate::load::plan::{OnTimeout, Retries, Timestamps, WhenBusy};
use crate::script::Script;
use crate::testbed::TestbedSettings;
use crate::units::Time;

/// An experiment file. `experiments/embedded.toml` describes all keys, `experiments/docker.toml` those for containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    pub name: String,
    /// The system that the run starts. A file has this or `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testbed: Option<TestbedSettings>,
    /// A running system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    pub load: Load,
    #[serde(default)]
    pub phases: Phases,
    #[serde(default, skip_serializing_if = "VerdictSettings::is_empty")]
    pub verdict: VerdictSettings,
    #[serde(default)]
    pub fault: Vec<Fault>,
    #[serde(default)]
    pub monitor: Vec<Monitor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threshold: Vec<ThresholdSetting>,
}

/// `[[threshold]]`: one of the two conditions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ThresholdSetting {
    /// The run fails at its end if this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_if: Option<String>,
    /// The run is ended when this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_if: Option<String>,
}

/// `[target]`: a running system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub url: String,
    /// The engine of the containers that faults and monitors name: `docker` for the engine of the user's environment, or
    /// an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// `[load]`: the [`crate::load::LoadSettings`] that do not follow from the rest of the experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    /// How the rate changes. It begins with `rate`. Default: it does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
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
    /// At least `connections`.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<f64>,
    #[serde(default)]
    pub slack: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// Needs `timeout`. Default: `abandon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,
    #[serde(default)]
    pub retries: Retries,
    /// Which clock says when a response arrived.
    #[serde(default)]
    pub timestamps: Timestamps,
    /// The method of the requests. Default: GET, or POST with a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptSetting>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// The name of a script (built-in, or a file), or the script itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write the name of a built-in script, a path, or { name, text }")]
pub enum ScriptSetting {
    Named(String),
    Given(Script),
}

/// `[phases]`: the lengths of the experiment's phases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phases {
    pub warmup: Time,
    /// Default: 10 s, or longer at a low rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Time>,
    /// The time that the system has to recover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe: Option<Time>,
    /// The length of the whole load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Time>,
}

impl Default for Phases {
    fn default() -> Phases {
        Phases { warmup: Time::from_secs(5), baseline: None, observe: None, duration: None }
    }
}

/// `[verdict]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerdictSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo: Option<Time>,
    /// A system that is stuck for this long ends the run, and so does one that recovered. Default: the whole of H.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early: Option<Time>,
}

impl VerdictSettings {
    fn is_empty(&self) -> bool {
        *self == VerdictSettings::default()
    }
}

/// `[[fault]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: String,
    /// When it is applied, since the start of load. Default: right after the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Faults that end by themselves have none.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Time>,
    /// The keys of its kind.
    #[serde(flatten)]
    pub keys: toml::Table,
}

/// `[[monitor]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Monitor {
    pub kind: MonitorKind,
    /// A process of this machine, by its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// A process of this machine, by the name of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// All processes of a systemd unit of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A component of the testbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// A container, by name, compose service or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The interval between samples.
    #[serde(default = "default_every")]
    pub every: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitorKind {
    /// A process of this machine, or a unit of them.
    Process,
    /// A container of the target's engine.
    Container,
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

fn default_every() -> Time {
    Time::from_millis(100)
}
