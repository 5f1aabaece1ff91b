//! What a fault must give for a keeper to apply and remove it: a fault whose target outlives the run.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::command::target::{CommandTarget, short_name};
use super::container::reachability::Reachability;
use super::container::target::ContainerTarget;
use super::error::RESTORE;
use super::process::target::ProcessTarget;
use super::{Fault, FaultError, Spec};
use crate::docker::Engine;

/// A fault that the keeper applies and removes.
pub trait KeptSpec: Spec {
    /// The target as inspected.
    type Target: Inspected;
    /// The state of the target before the fault: all that undoing needs.
    type Snapshot: Snapshot;

    /// Names the testbed's processes among its targets by their pids, which `pid_of` knows by component.
    fn resolve_components(&mut self, pid_of: &dyn Fn(&str) -> Option<u32>) {
        let _ = pid_of;
    }

    /// The key that names its container, if it is done on one.
    fn container_mut(&mut self) -> Option<&mut String> {
        None
    }

    /// Finds and inspects the target; the same one as before where there is a `previous` snapshot of it.
    fn find(
        &self,
        machine: &Machine,
        previous: Option<&Self::Snapshot>,
    ) -> impl Future<Output = Result<Self::Target, FaultError>>;

    /// Refuses a target to which the fault cannot be done. Changes nothing.
    fn snapshot(
        &self,
        target: &Self::Target,
        previous: Option<&Self::Snapshot>,
    ) -> impl Future<Output = Result<Self::Snapshot, FaultError>>;
}

pub trait Inspected {
    fn target(&self) -> Target;
}

/// The state of a target before a fault. It lies in a journal while the fault may be on.
pub trait Snapshot {
    fn target(&self) -> Target;

    /// What its peers could reach.
    fn reachability(&self) -> Option<&Reachability> {
        None
    }

    /// From here on only what is left of the fault itself counts: not what a peer reaches of the target, nor whether
    /// it died meanwhile.
    fn ignore_condition(&mut self) {}

    /// For how long after the last request the engine may still carry it out.
    fn lateness(&self) -> Duration {
        match self.target() {
            Target::Container(_) => LATENESS,
            Target::Process(_) | Target::Command(_) => Duration::ZERO,
        }
    }

    /// Refuses what may not go into the paths of an engine's requests, beside the target's id: journals are not trusted.
    fn check_paths(&self) -> Result<(), String> {
        Ok(())
    }

    /// The fault that brings this state back.
    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError>;
}

/// An engine may carry out a request this long after its sender died.
pub(crate) const LATENESS: Duration = Duration::from_secs(5);

/// Where kept faults are done: the processes of this machine, and the containers of an engine if there is one.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub engine: Option<Engine>,
}

impl Machine {
    pub(crate) fn engine(&self) -> Result<&Engine, FaultError> {
        let failed = FaultError::new("find", "the container of a fault", "Add engine = \"docker\" to the [target].");
        self.engine.as_ref().ok_or_else(|| failed("no Docker engine is named"))
    }
}

/// What a kept fault is done to, as found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    Container(ContainerTarget),
    Process(ProcessTarget),
    Command(CommandTarget),
}

impl Target {
    /// Whether it is the same container or process, whatever it was called.
    pub fn is_same(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Container(own), Target::Container(other)) => own.id == other.id,
            (Target::Process(own), Target::Process(other)) => own.is_same(other),
            (Target::Command(own), Target::Command(other)) => own == other,
            _ => false,
        }
    }

    /// Without the kind of thing that it is: `db`.
    pub fn name(&self) -> &str {
        match self {
            Target::Container(container) => &container.name,
            Target::Process(process) => &process.name,
            Target::Command(command) => &command.command,
        }
    }

    /// What tells it from others on its engine, or in this run of the machine.
    pub(crate) fn id(&self) -> Cow<'_, str> {
        match self {
            Target::Container(container) => Cow::Borrowed(&container.id),
            Target::Process(process) => Cow::Owned(format!("{}-{}", process.pid, process.start_ticks)),
            Target::Command(command) => Cow::Owned(command.id()),
        }
    }

    /// Whether it is gone. A target that cannot be inspected within `patience` may be there.
    pub(crate) async fn is_gone(&self, machine: &Machine, patience: Duration) -> bool {
        match (self, &machine.engine) {
            (Target::Container(container), Some(engine)) => {
                let inspected = timeout(patience, engine.inspect(&container.id)).await;
                inspected.is_ok_and(|inspected| inspected.is_err_and(|error| error.is_gone()))
            }
            (Target::Container(_), None) => false,
            (Target::Process(process), _) => !process.is_alive(),
            (Target::Command(_), _) => false,
        }
    }

    /// Refuses what may not go into the paths of an engine's requests: journals are not trusted.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Target::Container(container) if !is_id(&container.id) => {
                Err(format!("`{}` is not the id of a container", container.id))
            }
            Target::Container(_) | Target::Process(_) | Target::Command(_) => Ok(()),
        }
    }

    /// A step that failed: for `map_err`.
    pub(crate) fn failed<E: ToString>(&self, action: &'static str) -> impl Fn(E) -> FaultError + use<E> {
        FaultError::new(action, self.to_string(), RESTORE)
    }

    /// The same, of a step before anything was changed.
    pub(crate) fn untouched<E: ToString>(&self, action: &'static str) -> impl Fn(E) -> FaultError + use<E> {
        FaultError::new(action, self.to_string(), "Nothing was changed.")
    }
}

impl fmt::Display for Target {
    /// `container db`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Container(container) => container.fmt(f),
            Target::Process(process) => process.fmt(f),
            Target::Command(command) => write!(f, "the command `{}`", short_name(&command.command)),
        }
    }
}

/// Whether it is the whole id of a container or network.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
