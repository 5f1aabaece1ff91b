//! The monitors of a plan.

use super::error::InvalidSetting;
use super::settings::{Monitor, MonitorKind};
use super::system::System;
use crate::fault::process::name::ProcessName;
use crate::monitor::full_unit_name;
use crate::testbed::Role;
use crate::units::Time;

/// A component that is monitored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMonitor {
    pub component: MonitoredComponent,
    /// The interval between samples.
    pub every: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitoredComponent {
    /// A process of the testbed.
    Testbed(Role),
    /// A process of this machine, by pid or program.
    Process(ProcessName),
    /// All processes of a systemd unit of this machine, by its whole name.
    Unit(String),
    /// A container of the target's engine, by name, compose service or id.
    Container(String),
}

const COMPONENTS: [Role; 3] = [Role::ComposePost, Role::PostStorage, Role::PostDb];
const MIN_INTERVAL: Time = Time::from_millis(10);
const MAX_INTERVAL: Time = Time::from_secs(60);
/// The keys that name what a process monitor is about.
const PROCESS_KEYS: &str = "`pid`, `process`, `unit` and `component`";

/// # Errors
/// [`InvalidSetting`] for a monitor of something that the plan does not have, or that is monitored already.
pub fn resolve_monitors(monitors: &[Monitor], system: &System) -> Result<Vec<PlannedMonitor>, InvalidSetting> {
    let mut planned: Vec<PlannedMonitor> = Vec::new();
    for (i, monitor) in monitors.iter().enumerate() {
        let invalid = |(key, why): (&str, String)| InvalidSetting::new(format!("monitor.{i}.{key}"), why);
        let component = MonitoredComponent::resolve(monitor, system).map_err(invalid)?;
        let name = component.name();
        if planned.iter().any(|other| other.component.name() == name) {
            return Err(invalid((component.key(), format!("`{name}` has a monitor already. Remove one."))));
        }
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&monitor.every) {
            return Err(invalid(("every", format!("must be between 10ms and 60s, not {}", monitor.every))));
        }
        planned.push(PlannedMonitor { component, every: monitor.every });
    }
    Ok(planned)
}

impl MonitoredComponent {
    fn resolve(monitor: &Monitor, system: &System) -> Result<MonitoredComponent, (&'static str, String)> {
        match monitor.kind {
            MonitorKind::Process => resolve_process(monitor, system),
            MonitorKind::Container => resolve_container(monitor, system),
        }
    }

    /// The key that names the component.
    fn key(&self) -> &'static str {
        match self {
            MonitoredComponent::Testbed(_) => "component",
            MonitoredComponent::Process(ProcessName::Pid(_)) => "pid",
            MonitoredComponent::Process(_) => "process",
            MonitoredComponent::Unit(_) => "unit",
            MonitoredComponent::Container(_) => "container",
        }
    }

    /// Its name in samples and events. No other component of the plan has it.
    pub fn name(&self) -> String {
        match self {
            MonitoredComponent::Testbed(role) => role.name().to_owned(),
            MonitoredComponent::Process(ProcessName::Pid(pid)) => format!("pid {pid}"),
            MonitoredComponent::Process(ProcessName::Program(name) | ProcessName::Component(name))
            | MonitoredComponent::Unit(name)
            | MonitoredComponent::Container(name) => name.clone(),
        }
    }
}

fn resolve_process(monitor: &Monitor, system: &System) -> Result<MonitoredComponent, (&'static str, String)> {
    if monitor.container.is_some() {
        return Err(("container", "a process monitor has no key `container`. Remove it.".to_owned()));
    }
    let name = |key, name: &Option<String>| match name {
        Some(name) if name.trim().is_empty() => Err((key, "must not be empty".to_owned())),
        name => Ok(name.clone()),
    };
    let unit = name("unit", &monitor.unit)?.map(|unit| MonitoredComponent::Unit(full_unit_name(&unit)));
    let process = name("process", &monitor.process)?.map(ProcessName::Program);
    let pid = monitor.pid.map(ProcessName::Pid);
    let component = monitor.component.as_deref().map(|name| resolve_component(name, system)).transpose()?;
    let processes = pid.into_iter().chain(process).map(MonitoredComponent::Process);
    let mut named = processes.chain(unit).chain(component);
    match (named.next(), named.next()) {
        (Some(component), None) => Ok(component),
        (None, _) => Err(("kind", format!("a process monitor needs one of the keys {PROCESS_KEYS}"))),
        (Some(_), Some(second)) => Err((second.key(), format!("{PROCESS_KEYS} exclude each other: set one of them"))),
    }
}

fn resolve_component(name: &str, system: &System) -> Result<MonitoredComponent, (&'static str, String)> {
    let role = COMPONENTS.into_iter().find(|role| role.name() == name);
    match (role, system) {
        (_, System::Target { .. }) => {
            let why = "needs a [testbed]. Name a process of this machine by `pid`, `process` or `unit`, and use kind = \
                       \"container\" for a container.";
            Err(("component", why.to_owned()))
        }
        (Some(role), System::Testbed(_)) => Ok(MonitoredComponent::Testbed(role)),
        (None, System::Testbed(_)) => {
            let names = COMPONENTS.map(Role::name).join(", ");
            Err(("component", format!("is not a component of the testbed. Choose one of {names}.")))
        }
    }
}

fn resolve_container(monitor: &Monitor, system: &System) -> Result<MonitoredComponent, (&'static str, String)> {
    let Some(name) = &monitor.container else {
        return Err(("kind", "a container monitor needs the key `container`".to_owned()));
    };
    let others = [
        ("pid", monitor.pid.is_some()),
        ("process", monitor.process.is_some()),
        ("unit", monitor.unit.is_some()),
        ("component", monitor.component.is_some()),
    ];
    if let Some((key, _)) = others.into_iter().find(|(_, is_set)| *is_set) {
        return Err((key, format!("a container monitor has no key `{key}`. Remove it.")));
    }
    if system.engine().is_none() {
        let why = "needs an engine. Set engine = \"docker\" in [target] for the engine of your environment.";
        return Err(("container", why.to_owned()));
    }
    Ok(MonitoredComponent::Container(name.clone()))
}

impl PlannedMonitor {
    /// The settings of this monitor, as in an experiment file.
    pub fn to_settings(&self) -> Monitor {
        let (pid, process, unit, component, container) = (None, None, None, None, None);
        let kind = MonitorKind::Process;
        let monitor = Monitor { kind, pid, process, unit, component, container, every: self.every };
        match &self.component {
            MonitoredComponent::Testbed(role) => Monitor { component: Some(role.name().to_owned()), ..monitor },
            MonitoredComponent::Process(name) => {
                let (pid, process, component) = name.clone().into_keys();
                Monitor { pid, process, component, ..monitor }
            }
            MonitoredComponent::Unit(unit) => Monitor { unit: Some(unit.clone()), ..monitor },
            MonitoredComponent::Container(name) => {
                Monitor { kind: MonitorKind::Container, container: Some(name.clone()), ..monitor }
            }
        }
    }
}
