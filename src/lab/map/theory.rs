use crate::lab::statistics::closed_form::RetryStorm;
use crate::load::plan::OnTimeout;
use crate::plan::{ExperimentPlan, System};
use crate::testbed::Scenario;
use crate::units::Time;

/// The retry storm of a plan, whose boundary is known in closed form. `None` for other systems, and for clients that wait
/// before they retry.
pub fn find_retry_storm(plan: &ExperimentPlan) -> Option<RetryStorm> {
    let System::Testbed(testbed) = plan.system() else { return None };
    let load = plan.load();
    let timeout = load.timeout.filter(|timeout| timeout.action == OnTimeout::Abandon)?.after;
    let retries_at_once = load.retries.backoff == Time::ZERO;
    (testbed.scenario == Scenario::RetryStorm && retries_at_once).then(|| RetryStorm {
        capacity: testbed.workers as f64 / testbed.service_time.as_secs_f64(),
        timeout,
        retries: load.retries.count.into(),
    })
}
