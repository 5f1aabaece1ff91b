//! The processes of the system under test, so that a restart can be noticed.

use std::collections::BTreeMap;

use super::start_error::StartError;
use super::system::connect_engine;
use crate::fault::TargetName;
use crate::monitor::UnitCgroup;
use crate::plan::{ExperimentPlan, MonitoredComponent};
use crate::procfs;
use crate::testbed::{Role, Testbed};

/// A process of the system under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningProcess {
    /// The component of the testbed, the name of the container, or the process or unit as the plan names it.
    pub component: String,
    pub process_id: u32,
    /// Clock ticks since boot, or the container's start time. Every start of a process has another one.
    pub started: String,
}

/// The processes of the testbed, or those of the containers, processes and units that the plan names, by component. A process
/// or unit that does not run, or whose name is ambiguous by now, is left out.
///
/// # Errors
/// If the engine does not answer, or does not have such a container.
pub async fn find_processes(
    plan: &ExperimentPlan,
    testbed: Option<&Testbed>,
) -> Result<Vec<RunningProcess>, StartError> {
    if let Some(testbed) = testbed {
        return Ok(Role::ALL.into_iter().filter_map(|role| read_process(role.name(), testbed.pid(role))).collect());
    }
    let mut found: BTreeMap<_, _> = find_local(plan).map(|process| (process.component.clone(), process)).collect();
    let Some(engine) = connect_engine(plan).await? else { return Ok(found.into_values().collect()) };
    for name in container_names(plan) {
        for container in engine.find_all(&name).await? {
            let details = engine.inspect(&container.id).await?;
            let (component, process_id, started) = (details.name, details.pid, details.started_at);
            found.insert(component.clone(), RunningProcess { component, process_id, started });
        }
    }
    Ok(found.into_values().collect())
}

/// The processes and units of this machine that faults and monitors name.
fn find_local(plan: &ExperimentPlan) -> impl Iterator<Item = RunningProcess> {
    let faults = plan.faults().iter().filter_map(|planned| match planned.spec.spec().target() {
        TargetName::Process(name) => Some(MonitoredComponent::Process(name)),
        TargetName::Link
        | TargetName::Proxy(_)
        | TargetName::Container(_)
        | TargetName::Load
        | TargetName::Command(_) => None,
    });
    let monitors = plan.monitors().iter().map(|planned| planned.component.clone());
    faults.chain(monitors).filter_map(|component| {
        let process_id = match &component {
            MonitoredComponent::Process(name) => name.find().ok()?.pid,
            MonitoredComponent::Unit(unit) => UnitCgroup::find(unit).ok()?.first_process()?,
            MonitoredComponent::Testbed(_) | MonitoredComponent::Container(_) => return None,
        };
        read_process(&component.name(), process_id)
    })
}

/// `None` for a process that has ended.
fn read_process(component: &str, process_id: u32) -> Option<RunningProcess> {
    let started = procfs::start_ticks_of(process_id)?.to_string();
    Some(RunningProcess { component: component.to_owned(), process_id, started })
}

/// The containers that faults and monitors name.
fn container_names(plan: &ExperimentPlan) -> Vec<String> {
    let faults = plan.faults().iter().filter_map(|planned| match planned.spec.spec().target() {
        TargetName::Container(name) => Some(name),
        TargetName::Link
        | TargetName::Proxy(_)
        | TargetName::Process(_)
        | TargetName::Load
        | TargetName::Command(_) => None,
    });
    let monitors = plan.monitors().iter().filter_map(|planned| match &planned.component {
        MonitoredComponent::Container(name) => Some(name.clone()),
        MonitoredComponent::Testbed(_) | MonitoredComponent::Process(_) | MonitoredComponent::Unit(_) => None,
    });
    faults.chain(monitors).collect()
}
