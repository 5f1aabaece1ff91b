//! Whether the load may have as much under way as it takes to keep a system broken.

use super::Finding;
use crate::load::plan::{LoadPlan, OnTimeout, WhenBusy};
use crate::load::preflight;
use crate::plan::{ExperimentPlan, Goal, LEAST_SLO};
use crate::testbed::Scenario;
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
    let (rate, stay, why) = stay(plan);
    let needed = (rate * stay.as_secs_f64()).ceil() as usize;
    let loop_needs = format!("a loop needs about {needed} ({rate} requests/s for {stay}, {why})");
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

/// How many requests/s stay in a broken system, for how long each at least, and why for so long.
fn stay(plan: &ExperimentPlan) -> (f64, Time, &'static str) {
    let timeout = plan.load.timeout.filter(|_| plan.on_timeout() == OnTimeout::Abandon);
    let rate = plan.load.rate;
    match (timeout, plan.goal()) {
        // mu T: a queue that takes longer than the client waits.
        (Some(timeout), Goal::Embedded(testbed)) if testbed.scenario == Scenario::RetryStorm => {
            let served = testbed.workers as f64 / testbed.service_time.as_secs_f64();
            (served, timeout, "the client's timeout")
        }
        (Some(timeout), _) => (rate, timeout, "the client's timeout"),
        (None, Goal::Embedded(testbed)) => (rate, testbed.hold, "the testbed's hold"),
        (None, Goal::Url(_)) => (rate, plan.verdict.slo.unwrap_or(LEAST_SLO), "the SLO, since nobody gives up sooner"),
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
