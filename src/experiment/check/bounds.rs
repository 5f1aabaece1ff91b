//! Whether the load may have as much under way as it takes to keep a system broken.

use super::Finding;
use crate::experiment::plan::{ExperimentPlan, Goal, LEAST_SLO};
use crate::load::plan::{LoadPlan, OnTimeout, WhenBusy};
use crate::load::preflight;
use crate::units::Time;

/// A loop that sustains itself lives on requests that wait. With too few of them at once the load slows down with the
/// system, and that heals it: such a run can't end as METASTABLE, whatever the system is like.
pub fn connections(plan: &ExperimentPlan) -> Finding {
    const ON: &str = "connections";
    let load = &plan.load;
    if load.when_busy == WhenBusy::Pipeline {
        return Finding::ok(ON, "requests go behind each other: none waits for a connection");
    }
    let bound = most(plan);
    let (stay, why) = stay(plan);
    let needed = (load.rate * stay.as_secs_f64()).ceil() as usize;
    let loop_needs = format!("a loop needs about {needed} ({} requests/s for {stay}, {why})", load.rate);
    if bound >= needed {
        return Finding::ok(ON, format!("at most {bound} requests at a time; {loop_needs}"));
    }
    let instead = match load.when_busy {
        WhenBusy::Open => format!("max-connections = {} in [load]", needed.next_multiple_of(100)),
        _ => "when-busy = \"open\" in [load]".to_owned(),
    };
    Finding::warn(
        ON,
        format!("{bound} requests at a time are too few to keep a system broken: {loop_needs}; take {instead}"),
    )
}

/// The most connections that the load may have.
pub fn most(plan: &ExperimentPlan) -> usize {
    match plan.load.when_busy {
        WhenBusy::Open => plan.load.max_connections,
        WhenBusy::Wait | WhenBusy::Pipeline => plan.load.connections,
    }
}

/// For how long a request stays in a broken system at least, and why.
fn stay(plan: &ExperimentPlan) -> (Time, &'static str) {
    match (plan.load.timeout, plan.goal()) {
        (Some(timeout), _) if plan.on_timeout() == OnTimeout::Abandon => (timeout, "the client's timeout"),
        (_, Goal::Embedded(testbed)) => (testbed.hold, "the testbed's hold"),
        _ => (plan.verdict.slo.unwrap_or(LEAST_SLO), "the SLO, since nobody gives up sooner"),
    }
}

/// Whether so many files may be open here. Raises this process's limit as a run does.
pub fn files(load: &LoadPlan) -> Finding {
    const ON: &str = "open files";
    match preflight::allow_files(load) {
        Ok(()) => Finding::ok(ON, "as many may be open as the connections take"),
        Err(error) => Finding::fail(ON, error.to_string()),
    }
}
