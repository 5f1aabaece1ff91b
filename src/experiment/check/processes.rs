//! Whether the processes and units of this machine that the plan monitors run.

use super::Finding;
use crate::experiment::monitors::find_running;
use crate::plan::{ExperimentPlan, MonitoredComponent};

/// Checks each process and unit that the plan monitors.
pub fn check_processes(plan: &ExperimentPlan, report: &mut dyn FnMut(Finding)) {
    const SUBJECT: &str = "monitor";
    for planned in plan.monitors() {
        let what = match &planned.component {
            MonitoredComponent::Process(name) => name.to_string(),
            MonitoredComponent::Unit(unit) => format!("unit {unit}"),
            MonitoredComponent::Testbed(_) | MonitoredComponent::Container(_) => continue,
        };
        report(match find_running(&planned.component) {
            Ok(_) => Finding::ok(SUBJECT, format!("{what}: runs on this machine")),
            Err(error) => Finding::fail(SUBJECT, error.to_string()),
        });
    }
}
