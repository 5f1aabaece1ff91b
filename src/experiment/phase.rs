//! The phase of a run in progress. Pure.

use crate::plan::{ExperimentPlan, PlannedFault};
use crate::progress::Phase;
use crate::record::Event;
use crate::units::{Instant, Time};
use crate::verdict::timeline::Timeline;

/// The phase at `at`, and when it ends at the latest.
pub fn find_phase(plan: &ExperimentPlan, events: &[Event], at: Instant) -> (Phase, Instant) {
    let timeline = Timeline::of(events, plan.faults().len());
    let after = |span: Time| Instant::START.plus(span);
    let end = after(plan.phases().duration);
    let warmup = after(plan.phases().warmup);
    let first = plan.faults().iter().map(|fault| fault.at).min();
    let last = plan.faults().iter().map(PlannedFault::end).max();
    match (first, last) {
        _ if at >= end => (Phase::Drain, end.plus(plan.load_settings("").drain)),
        _ if at < warmup => (Phase::WarmUp, warmup),
        (Some(first), _) if timeline.t0().is_none() && at < first => (Phase::Baseline, first),
        (Some(_), Some(last)) if timeline.t1().is_none() => (Phase::Fault, last),
        (Some(_), _) => (Phase::Observation, end),
        (None, _) => (Phase::Load, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EventKind, FaultStep};

    fn plan(outage: Time) -> ExperimentPlan {
        let overrides = crate::plan::config::Overrides { outage: Some(outage), ..Default::default() };
        crate::plan::config::read_plan(None, &overrides).unwrap().plan
    }

    fn s(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    fn fault(at: Instant, step: FaultStep) -> Event {
        Event {
            at,
            what: EventKind::Fault { fault: 0, kind: "link-cut".into(), step, detail: String::new(), warnings: vec![] },
        }
    }

    #[test]
    fn phases_follow_the_plan_and_the_events_of_the_fault() {
        let plan = plan(Time::from_secs(20));
        let end = Instant::START.plus(plan.phases().duration);
        let events = [fault(s(15), FaultStep::Effective), fault(s(36), FaultStep::RemovalVerified)];
        assert_eq!(find_phase(&plan, &[], s(0)), (Phase::WarmUp, s(5)));
        assert_eq!(find_phase(&plan, &[], s(6)), (Phase::Baseline, s(15)));
        assert_eq!(find_phase(&plan, &events[..1], s(20)), (Phase::Fault, s(35)));
        let late = s(35).plus(Time(1));
        assert_eq!(find_phase(&plan, &events[..1], late), (Phase::Fault, s(35)), "until its removal is verified");
        assert_eq!(find_phase(&plan, &events, s(37)), (Phase::Observation, end));
        assert_eq!(find_phase(&plan, &events, end).0, Phase::Drain);
    }

    #[test]
    fn a_plan_without_a_fault_has_a_load_phase() {
        let plan = plan(Time::ZERO);
        assert_eq!(find_phase(&plan, &[], s(30)), (Phase::Load, Instant::START.plus(plan.phases().duration)));
    }
}
