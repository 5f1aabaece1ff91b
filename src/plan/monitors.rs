//! The monitors of a plan.

use super::error::InvalidSetting;
use super::settings::{Monitor, MonitorKind};
use super::system::System;
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
    Process(Role),
    /// A container of the target's engine, by name, compose service or id.
    Container(String),
}

const COMPONENTS: [Role; 3] = [Role::ComposePost, Role::PostStorage, Role::PostDb];
const MIN_INTERVAL: Time = Time::from_millis(10);
const MAX_INTERVAL: Time = Time::from_secs(60);

/// # Errors
/// [`InvalidSetting`] for a monitor of something that the plan does not have, or that is monitored already.
pub fn resolve_monitors(monitors: &[Monitor], system: &System) -> Result<Vec<PlannedMonitor>, InvalidSetting> {
    let mut planned: Vec<PlannedMonitor> = Vec::new();
    for (i, monitor) in monitors.iter().enumerate() {
        let invalid = |(key, why): (&str, String)| InvalidSetting::new(format!("monitor.{i}.{key}"), why);
        let component = MonitoredComponent::resolve(monitor, system).map_err(invalid)?;
        if planned.iter().any(|other| other.component == component) {
            return Err(invalid((component.key(), "has a monitor already. Remove one.".to_owned())));
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
        match (monitor.kind, &monitor.component, &monitor.container) {
            (MonitorKind::Process, Some(name), None) => {
                let role = COMPONENTS.into_iter().find(|role| role.name() == name);
                match (role, system) {
                    (Some(role), System::Testbed(_)) => Ok(MonitoredComponent::Process(role)),
                    (_, System::Target { .. }) => {
                        Err(("component", "needs a [testbed]. Use kind = \"container\" for a container.".to_owned()))
                    }
                    (None, System::Testbed(_)) => {
                        let names = COMPONENTS.map(Role::name).join(", ");
                        Err(("component", format!("is not a component of the testbed. Choose one of {names}.")))
                    }
                }
            }
            (MonitorKind::Container, None, Some(name)) => match system.engine() {
                Some(_) => Ok(MonitoredComponent::Container(name.clone())),
                None => Err((
                    "container",
                    "needs an engine. Set engine = \"docker\" in [target] for the engine of your environment."
                        .to_owned(),
                )),
            },
            (MonitorKind::Process, None, _) => Err(("kind", "a process monitor needs the key `component`".to_owned())),
            (MonitorKind::Container, _, None) => {
                Err(("kind", "a container monitor needs the key `container`".to_owned()))
            }
            (MonitorKind::Process, Some(_), Some(_)) => {
                Err(("container", "a process monitor has no key `container`. Remove it.".to_owned()))
            }
            (MonitorKind::Container, Some(_), Some(_)) => {
                Err(("component", "a container monitor has no key `component`. Remove it.".to_owned()))
            }
        }
    }

    /// The key that names the component.
    fn key(&self) -> &'static str {
        match self {
            MonitoredComponent::Process(_) => "component",
            MonitoredComponent::Container(_) => "container",
        }
    }
}

impl PlannedMonitor {
    /// The settings of this monitor, as in an experiment file.
    pub fn to_settings(&self) -> Monitor {
        let every = self.every;
        match &self.component {
            MonitoredComponent::Process(role) => {
                Monitor { kind: MonitorKind::Process, component: Some(role.name().to_owned()), container: None, every }
            }
            MonitoredComponent::Container(name) => {
                Monitor { kind: MonitorKind::Container, component: None, container: Some(name.clone()), every }
            }
        }
    }
}
