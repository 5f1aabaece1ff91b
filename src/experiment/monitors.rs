//! The monitored components of a plan: found before the load, and sampled while it lasts.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::start_error::StartError;
use crate::docker::Engine;
use crate::fault::keeper::journal::refuse_listed;
use crate::fault::process::name::ProcessName;
use crate::monitor::{
    FindAgain, LocalComponent, Monitor, ProcessMonitor, RunningContainer, RunningLocal, UnitCgroup, sample_periodically,
};
use crate::plan::{ExperimentPlan, MonitoredComponent};
use crate::record::{Clock, Event, Sample};
use crate::testbed::Testbed;
use crate::units::Time;

/// A component that runs, and the interval between its samples.
pub struct PreparedMonitor {
    component: RunningComponent,
    every: Time,
}

enum RunningComponent {
    /// The testbed says when it dies.
    Testbed(ProcessMonitor),
    Local(RunningLocal),
    Container(Box<RunningContainer>),
}

impl PreparedMonitor {
    /// Samples the component on the run's clock until the receiver of `samples` is closed. What happens to it goes to
    /// `events`.
    pub fn start(self, clock: Clock, samples: &UnboundedSender<Sample>, events: &UnboundedSender<Event>) {
        let monitor: Box<dyn Monitor> = match self.component {
            RunningComponent::Testbed(process) => Box::new(process),
            RunningComponent::Local(local) => Box::new(local.monitor(events.clone())),
            RunningComponent::Container(container) => Box::new(container.monitor(clock, events.clone())),
        };
        tokio::spawn(sample_periodically(vec![monitor], self.every, move || clock.now(), samples.clone()));
    }
}

/// Finds the components that the plan monitors.
///
/// # Errors
/// [`StartError`] for one that does not run, or whose name is ambiguous.
pub async fn prepare_monitors(
    plan: &ExperimentPlan,
    testbed: Option<&Testbed>,
    engine: Option<&Engine>,
) -> Result<Vec<PreparedMonitor>, StartError> {
    let missing = |name: &str, needs| StartError::Unplanned { what: format!("the monitor of {name}"), needs };
    let mut prepared = Vec::new();
    let mut containers = Vec::new();
    for planned in plan.monitors() {
        let component = match &planned.component {
            MonitoredComponent::Testbed(role) => {
                let testbed = testbed.ok_or_else(|| missing(role.name(), "[testbed]"))?;
                RunningComponent::Testbed(ProcessMonitor::new(role.name(), testbed.pid(*role)))
            }
            component @ (MonitoredComponent::Process(_) | MonitoredComponent::Unit(_)) => {
                RunningComponent::Local(find_local(component)?)
            }
            MonitoredComponent::Container(name) => {
                let engine = engine.ok_or_else(|| missing(name, "engine in [target]"))?;
                let container = RunningContainer::find(engine, name).await?;
                containers.push(container.id().to_owned());
                RunningComponent::Container(Box::new(container))
            }
        };
        prepared.push(PreparedMonitor { component, every: planned.every });
    }
    if let Some(engine) = engine {
        // A fault that an earlier run left would be taken for a fault of this run.
        refuse_listed(engine, &containers.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(prepared)
}

/// Finds a process or unit of this machine.
///
/// # Errors
/// [`StartError`] if it does not run, or if its name is ambiguous.
fn find_local(component: &MonitoredComponent) -> Result<RunningLocal, StartError> {
    let source = component.name();
    let find_again: Option<FindAgain> = match component {
        // A later process with the same pid is another one.
        MonitoredComponent::Process(ProcessName::Pid(_)) => None,
        component => {
            let component = component.clone();
            Some(Arc::new(move || find_running(&component).ok()))
        }
    };
    Ok(RunningLocal { component: find_running(component)?, source, find_again })
}

/// Finds the process or unit that runs now.
///
/// # Errors
/// [`StartError`] if there is none, or more than one.
pub fn find_running(component: &MonitoredComponent) -> Result<LocalComponent, StartError> {
    match component {
        MonitoredComponent::Process(name) => {
            Ok(LocalComponent::Process(ProcessMonitor::new(component.name(), name.find()?.pid)))
        }
        MonitoredComponent::Unit(unit) => Ok(LocalComponent::Unit(UnitCgroup::find(unit)?)),
        MonitoredComponent::Testbed(_) | MonitoredComponent::Container(_) => Err(StartError::Unplanned {
            what: format!("the monitor of {}", component.name()),
            needs: "process or unit",
        }),
    }
}
