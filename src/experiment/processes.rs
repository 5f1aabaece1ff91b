//! The processes of the system under test, so that a restart can be noticed.

use std::collections::BTreeMap;
use std::fs;

use super::system::{StartError, connect_engine};
use crate::fault::TargetName;
use crate::plan::{ExperimentPlan, MonitoredComponent};
use crate::procfs;
use crate::testbed::{Role, Testbed};

/// A process of the system under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningProcess {
    /// The component of the testbed, or the name of the container.
    pub component: String,
    pub process_id: u32,
    /// Clock ticks since boot, or the container's start time. Every start of a process has another one.
    pub started: String,
}

/// The processes of the testbed, or those of the containers that the plan names, by component.
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
    let Some(engine) = connect_engine(plan).await? else { return Ok(Vec::new()) };
    let mut found = BTreeMap::new();
    for name in container_names(plan) {
        for container in engine.find_all(&name).await? {
            let details = engine.inspect(&container.id).await?;
            found.insert(details.name, (details.pid, details.started_at));
        }
    }
    let process = |(component, (process_id, started))| RunningProcess { component, process_id, started };
    Ok(found.into_iter().map(process).collect())
}

/// `None` for a process that has ended.
fn read_process(component: &str, process_id: u32) -> Option<RunningProcess> {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    let started = procfs::start_ticks(&stat)?.to_string();
    Some(RunningProcess { component: component.to_owned(), process_id, started })
}

/// The containers that faults and monitors name.
fn container_names(plan: &ExperimentPlan) -> Vec<String> {
    let faults = plan.faults().iter().filter_map(|planned| match planned.spec.spec().target() {
        TargetName::Container(name) => Some(name),
        TargetName::Link | TargetName::Process(_) | TargetName::Load | TargetName::Command(_) => None,
    });
    let monitors = plan.monitors().iter().filter_map(|planned| match &planned.component {
        MonitoredComponent::Container(name) => Some(name.clone()),
        MonitoredComponent::Process(_) => None,
    });
    faults.chain(monitors).collect()
}
