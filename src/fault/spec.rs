//! What every kind of fault says of itself, as a plan has it.

use std::net::SocketAddr;

use super::InvalidKey;
use super::command::target::short_name;
use super::process::name::ProcessName;
use crate::testbed::Role;
use crate::units::Time;

/// The keys of a fault in a plan, beside `kind`, `at` and `for`.
pub trait Spec {
    /// A whole `[[fault]]` table in TOML. Errors quote its lines, and a test reads it.
    fn example() -> &'static str
    where
        Self: Sized;

    /// What it is done to.
    fn target(&self) -> TargetName;

    /// For a fault that ends by itself, and so has no `for`: the longest that this takes.
    fn ends_within(&self) -> Option<Time> {
        None
    }

    /// Whether the processes of its target end, so that others run after it.
    fn ends_processes(&self) -> bool {
        false
    }

    /// The network of its container that it is done on, if it names one.
    fn network(&self) -> Option<&str> {
        None
    }

    /// How much of it there is, where it comes in sizes: `50ms each way`.
    fn size(&self) -> Option<String> {
        None
    }

    /// Refuses values that cannot be.
    ///
    /// # Errors
    /// The key, and what it can be.
    fn check(&self, context: &CheckContext) -> Result<(), InvalidKey> {
        let _ = context;
        Ok(())
    }
}

/// What a fault is done to, as a plan names it. Two faults on one target may not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetName {
    /// The testbed's link between post-storage and post-db.
    Link,
    /// A proxy in front of a service, by the address that it listens on.
    Proxy(SocketAddr),
    /// By name, compose service or id.
    Container(String),
    /// A process of this machine.
    Process(ProcessName),
    /// The load itself.
    Load,
    /// What this command acts on.
    Command(String),
}

/// What the rest of the plan means for a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckContext {
    /// How long the fault lasts.
    pub lasts: Time,
    /// Requests/s without it.
    pub rate: f64,
    /// The run starts the testbed.
    pub has_testbed: bool,
    /// The plan names the engine of its containers.
    pub has_engine: bool,
}

const NO_ENGINE: &str = "the [target] has no engine: add engine = \"docker\" for the engine of your environment";

impl TargetName {
    /// Refuses a target that the plan does not have.
    pub(super) fn check(&self, context: &CheckContext) -> Result<(), InvalidKey> {
        match self {
            TargetName::Link if !context.has_testbed => Err(InvalidKey::new("kind", "only the [testbed] has a link")),
            TargetName::Container(_) if !context.has_engine => Err(InvalidKey::new("container", NO_ENGINE)),
            TargetName::Process(ProcessName::Component(component)) => {
                let components = Role::ALL.map(Role::name);
                match context.has_testbed && components.contains(&component.as_str()) {
                    true => Ok(()),
                    false => {
                        let why = format!("must be a component of the [testbed]: {}", components.join(", "));
                        Err(InvalidKey::new("component", why))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// What a fault's name in reports ends with: the name of a container or process. There is only one link and one load.
    pub(super) fn label(&self) -> Option<String> {
        match self {
            TargetName::Link | TargetName::Load => None,
            TargetName::Proxy(listen) => Some(format!("on {listen}")),
            TargetName::Container(container) => Some(container.clone()),
            TargetName::Command(command) => Some(short_name(command)),
            TargetName::Process(ProcessName::Pid(pid)) => Some(format!("pid {pid}")),
            TargetName::Process(ProcessName::Program(name) | ProcessName::Component(name)) => Some(name.clone()),
        }
    }

    /// Why two faults on it may not overlap.
    pub fn in_words(&self) -> &'static str {
        match self {
            TargetName::Link => "on the link",
            TargetName::Proxy(_) => "on the same proxy",
            TargetName::Container(_) => "on the same container",
            TargetName::Process(_) => "on the same process",
            TargetName::Load => "on the load",
            TargetName::Command(_) => "by the same command",
        }
    }
}
