//! What is wrong with the containers of a plan before a run.

use std::collections::BTreeSet;

use crate::docker::Engine;
use crate::fault::TargetName;
use crate::plan::{ExperimentPlan, MonitoredComponent};

/// What is wrong with the containers that the plan names, and what to do about it: a sentence each. Nothing of this keeps
/// the experiment from running, but the system may not behave as it should. `metawrk check` says the same.
///
/// A container that cannot be inspected is left out: preparing its fault or monitor fails, with the reason.
pub async fn find_problems(plan: &ExperimentPlan, engine: &Engine) -> Vec<String> {
    let faults = plan.faults().iter().filter_map(|planned| match planned.spec.spec().target() {
        TargetName::Container(name) => Some((name, planned.spec.spec().network().map(str::to_owned))),
        TargetName::Link
        | TargetName::Proxy(_)
        | TargetName::Process(_)
        | TargetName::Load
        | TargetName::Command(_) => None,
    });
    let monitors = plan.monitors().iter().filter_map(|planned| match &planned.component {
        MonitoredComponent::Container(name) => Some((name.clone(), None)),
        MonitoredComponent::Testbed(_) | MonitoredComponent::Process(_) | MonitoredComponent::Unit(_) => None,
    });
    let mut problems = BTreeSet::new();
    for (name, network) in faults.chain(monitors) {
        for found in engine.find_all(&name).await.unwrap_or_default() {
            if let Ok(Some(missing)) = engine.missing_alias(&found.id, network.as_deref()).await {
                problems.insert(format!("container {}: {missing}", missing.container));
            }
        }
    }
    problems.into_iter().collect()
}
