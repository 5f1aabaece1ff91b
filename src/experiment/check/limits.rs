//! Whether the load's own limits allow a metastable failure.

use super::Finding;
use crate::load::plan::{LoadPlan, WhenBusy};
use crate::load::preflight;
use crate::plan::{ExperimentPlan, MIN_SLO, System};
use crate::testbed::Scenario;
use crate::units::Time;

/// Whether enough requests may be in flight.
///
/// A sustaining effect needs waiting requests. With too few in flight the load slows down together with the system, and
/// the system recovers: such a run cannot end as METASTABLE.
pub fn check_connections(plan: &ExperimentPlan) -> Finding {
    const SUBJECT: &str = "connections";
    let load = plan.load();
    if load.when_busy == WhenBusy::Pipeline {
        return Finding::ok(SUBJECT, "requests are pipelined: none waits for a connection");
    }
    let limit = max_connections(plan);
    let (rate, time, reason) = residence(plan);
    let needed = (rate * time.as_secs_f64()).ceil() as usize;
    let need = format!("a sustaining effect needs about {needed} ({rate} requests/s for {time}, {reason})");
    // Without a fault nothing has to be sustained.
    if limit >= needed || plan.faults().is_empty() {
        return Finding::ok(SUBJECT, format!("at most {limit} requests in flight; {need}"));
    }
    let remedy = match load.when_busy {
        WhenBusy::Open => format!("max-connections = {}", needed.next_multiple_of(100)),
        _ => "when-busy = \"open\"".to_owned(),
    };
    Finding::warn(
        SUBJECT,
        format!(
            "{limit} requests in flight are too few to keep the system overloaded: {need}. Set {remedy} in [load]."
        ),
    )
}

/// The most connections that the load may open.
pub fn max_connections(plan: &ExperimentPlan) -> usize {
    match plan.load().when_busy {
        WhenBusy::Open => plan.load().max_connections,
        WhenBusy::Wait | WhenBusy::Pipeline => plan.load().connections,
    }
}

/// How many requests/s stay in an overloaded system, how long each stays at least, and what sets that time.
fn residence(plan: &ExperimentPlan) -> (f64, Time, &'static str) {
    let rate = plan.load().rate;
    match (plan.load().abandons_after(), plan.system()) {
        // mu T: a queue in which requests wait for longer than the client does.
        (Some(timeout), System::Testbed(testbed)) if testbed.scenario == Scenario::RetryStorm => {
            let served = testbed.workers as f64 / testbed.service_time.as_secs_f64();
            (served, timeout, "the client's timeout")
        }
        (Some(timeout), _) => (rate, timeout, "the client's timeout"),
        (None, System::Testbed(testbed)) => (rate, testbed.hold, "the testbed's hold"),
        (None, System::Target { .. }) => (rate, plan.slo().unwrap_or(MIN_SLO), "the SLO"),
    }
}

/// Whether the limit on open files suffices. Raises the limit of this process, as a run does.
pub fn check_open_files(load: &LoadPlan) -> Finding {
    const SUBJECT: &str = "open files";
    match preflight::raise_file_limit(load) {
        Ok(()) => Finding::ok(SUBJECT, "the limit suffices for all connections"),
        Err(error) => Finding::fail(SUBJECT, error.to_string()),
    }
}
