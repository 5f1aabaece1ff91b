//! Whether the containers and processes of the plan exist, can be monitored, and allow the planned faults.

use super::Finding;
use crate::docker::Engine;
use crate::experiment::overlap::refuse_overlaps;
use crate::experiment::system;
use crate::fault::keeper::journal::{provide, refuse_listed, refuse_target};
use crate::fault::{FaultSpec, KeptFault, Machine, Target};
use crate::monitor::RunningContainer;
use crate::plan::{ExperimentPlan, MonitoredComponent};

/// Checks the engine, if the plan has one, and each container that the plan names.
pub async fn check_containers(plan: &ExperimentPlan, report: &mut dyn FnMut(Finding)) {
    let engine = match system::connect_engine(plan).await {
        Ok(engine) => engine,
        Err(error) => return report(Finding::fail("engine", error.to_string())),
    };
    if let Some(engine) = &engine {
        let place = if engine.is_local() { "on this machine" } else { "on another machine" };
        let (version, host) = (engine.version(), engine.host());
        report(Finding::ok("engine", format!("Docker {version} at {host}, API {}, {place}", engine.api())));
        for planned in plan.monitors() {
            match &planned.component {
                MonitoredComponent::Container(name) => report(check_monitor(engine, name).await),
                MonitoredComponent::Testbed(_) | MonitoredComponent::Process(_) | MonitoredComponent::Unit(_) => {}
            }
        }
    }
    check_faults(plan, &Machine { engine }, &|_| None, report).await;
}

/// Checks each fault that a keeper applies. `pid_of` knows the processes of the testbed's components.
pub async fn check_faults(
    plan: &ExperimentPlan,
    machine: &Machine,
    pid_of: &dyn Fn(&str) -> Option<u32>,
    report: &mut dyn FnMut(Finding),
) {
    let mut has_journal = false;
    let mut targets = Vec::new();
    for planned in plan.faults() {
        let mut on = Vec::new();
        if let FaultSpec::Kept(fault) = &planned.spec {
            if !std::mem::replace(&mut has_journal, true) {
                report(match provide() {
                    Ok(folder) => Finding::ok("journal", format!("undo records are stored in {}", folder.display())),
                    Err(error) => Finding::fail("journal", error.to_string()),
                });
            }
            let mut fault = fault.clone();
            fault.resolve_components(pid_of);
            on = check_each(machine, &planned.spec.description(), &fault, report).await;
        }
        targets.push(on);
    }
    if let Err(overlap) = refuse_overlaps(plan.faults(), &targets) {
        report(Finding::fail(FAULT, overlap.to_string()));
    }
}

const FAULT: &str = "fault";

/// Checks a fault on each of its targets. Gives those that were found.
async fn check_each(
    machine: &Machine,
    description: &str,
    fault: &KeptFault,
    report: &mut dyn FnMut(Finding),
) -> Vec<Target> {
    let each = match fault.on_each(machine).await {
        Ok(each) => each,
        Err(error) => {
            report(Finding::fail(FAULT, error.to_string()));
            return Vec::new();
        }
    };
    let mut targets = Vec::new();
    let several = each.len() > 1;
    for fault in each {
        let (finding, target) = check_fault(machine, description, &fault, several).await;
        report(finding);
        targets.extend(target);
    }
    targets
}

async fn check_monitor(engine: &Engine, name: &str) -> Finding {
    const SUBJECT: &str = "monitor";
    match RunningContainer::find(engine, name).await {
        Ok(container) => match refuse_listed(engine, &[container.id()]) {
            Ok(()) => {
                let text = format!("container {name}: {}", container.usage_source());
                match engine.missing_alias(container.id(), None).await {
                    Ok(Some(missing)) => Finding::warn(SUBJECT, format!("{text}, but {missing}")),
                    Ok(None) | Err(_) => Finding::ok(SUBJECT, text),
                }
            }
            Err(error) => Finding::fail(SUBJECT, error.to_string()),
        },
        Err(error) => Finding::fail(SUBJECT, error.to_string()),
    }
}

/// Whether the fault can be applied to its target, and its removal verified from another container. One of `several`
/// targets is named.
async fn check_fault(
    machine: &Machine,
    description: &str,
    fault: &KeptFault,
    several: bool,
) -> (Finding, Option<Target>) {
    let undo = match fault.snapshot(machine, None, |target| refuse_target(machine, target)).await {
        Ok(undo) => undo,
        Err(error) => return (Finding::fail(FAULT, error.to_string()), None),
    };
    let target = undo.target();
    let text = match several {
        true => format!("{description} can be applied to {target}"),
        false => format!("{description} can be applied"),
    };
    let missing = match (&target, &machine.engine) {
        (Target::Container(target), Some(engine)) => {
            engine.missing_alias(&target.id, fault.network()).await.ok().flatten().map(|missing| missing.to_string())
        }
        _ => None,
    };
    let reachability = undo.reachability().cloned().unwrap_or_default();
    let unverified =
        reachability.unknown().map(|why| format!("its removal cannot be verified from another container: {why}"));
    let problems: Vec<_> = missing.into_iter().chain(unverified).collect();
    let finding = match (problems.as_slice(), reachability.to_string()) {
        ([], reached) if reached.is_empty() => Finding::ok(FAULT, text),
        ([], reached) => Finding::ok(FAULT, format!("{text}; {reached}")),
        (problems, _) => Finding::warn(FAULT, format!("{text}, but {}", problems.join("; and "))),
    };
    (finding, Some(target))
}
