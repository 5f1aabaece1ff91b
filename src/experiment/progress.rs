//! How a run goes while it goes: what a terminal shows of it. Pure.

use crate::plan::ExperimentPlan;
use crate::record::{Event, Outcome, RequestRecord, Sample};
use crate::stats::percentile;
use crate::units::Time;
use crate::verdict::goodput::Bin;
use crate::verdict::timeline::Timeline;

/// A run at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub phase: &'static str,
    pub at: Time,
    /// Until the phase is over, at most.
    pub left: Time,
    /// Planned requests per second.
    pub offered: f64,
    pub in_flight: u64,
    pub second: Second,
}

/// What the last second showed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Second {
    /// Answers per second.
    pub answered: f64,
    /// Of the response times of what ended in it.
    pub p50: Option<Time>,
    pub p99: Option<Time>,
    /// Of the last bin that is final, 0 to 1.
    pub goodput: Option<f64>,
    /// Bytes that the first monitored component has, and may have.
    pub memory: Option<(u64, Option<u64>)>,
}

/// Gathers what the last second showed.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Response times since the last judgement, and since when.
    times: Vec<Time>,
    answered: u64,
    since: u64,
    /// The first component that was heard of.
    source: Option<String>,
    second: Second,
}

impl Pulse {
    pub fn records(&mut self, batch: &[RequestRecord]) {
        for record in batch.iter().filter(|record| record.is_last()) {
            self.answered += u64::from(record.outcome() == Some(Outcome::Answered));
            self.times.extend(record.response_sample());
        }
    }

    pub fn samples(&mut self, samples: &[Sample]) {
        let Some(first) = samples.first() else { return };
        let source = self.source.get_or_insert_with(|| first.source.clone());
        let Some(last) = samples.iter().rev().find(|sample| sample.source == *source) else { return };
        self.second.memory = Some(last).and_then(|sample| Some((sample.memory_bytes?, sample.limit_bytes)));
    }

    /// A second is over at `now`; `bin` is the last that is final.
    pub fn judged(&mut self, now: u64, bin: Option<&Bin>) {
        let span = now.saturating_sub(self.since).max(1) as f64 / 1e9;
        self.second.answered = self.answered as f64 / span;
        self.second.p50 = percentile(&mut self.times, 50.0);
        self.second.p99 = percentile(&mut self.times, 99.0);
        self.second.goodput = bin.map(Bin::goodput);
        self.times.clear();
        (self.answered, self.since) = (0, now);
    }

    pub fn second(&self) -> Second {
        self.second
    }
}

/// The phase at `at`, and when it is over at the latest.
pub fn phase(plan: &ExperimentPlan, events: &[Event], at: u64) -> (&'static str, u64) {
    let timeline = Timeline::of(events, plan.fault.len());
    let end = plan.duration().0;
    let warmup = plan.phases.warmup.0;
    let first = plan.fault.iter().map(|fault| plan.at(fault).0).min();
    let last = plan.fault.iter().map(|fault| plan.at(fault).plus(fault.lasts).0).max();
    match (first, last) {
        _ if at >= end => ("drain", end.saturating_add(plan.load_settings("").drain.0)),
        _ if at < warmup => ("warm-up", warmup),
        (Some(first), _) if timeline.t0().is_none() && at < first => ("baseline", first),
        (Some(_), Some(last)) if timeline.t1().is_none() => ("fault", last),
        (Some(_), _) => ("observation", end),
        (None, _) => ("load", end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EventKind, FaultStep};
    use crate::units::Instant;

    fn plan(outage: Time) -> ExperimentPlan {
        let overrides = crate::plan::config::Overrides { outage: Some(outage), ..Default::default() };
        crate::plan::config::read_plan(None, &overrides).unwrap()
    }

    fn fault(at_ns: u64, step: FaultStep) -> Event {
        Event {
            at: Instant(at_ns),
            what: EventKind::Fault { fault: 0, kind: "link".into(), step, detail: String::new(), warnings: vec![] },
        }
    }

    #[test]
    fn phases_follow_the_plan_and_what_was_seen_of_the_fault() {
        let plan = plan(Time::from_secs(20));
        let s = 1_000_000_000;
        let events = [fault(15 * s, FaultStep::Effective), fault(36 * s, FaultStep::RemovalVerified)];
        assert_eq!(phase(&plan, &[], 0), ("warm-up", 5 * s));
        assert_eq!(phase(&plan, &[], 6 * s), ("baseline", 15 * s));
        assert_eq!(phase(&plan, &events[..1], 20 * s), ("fault", 35 * s));
        assert_eq!(phase(&plan, &events[..1], 35 * s + 1), ("fault", 35 * s), "until its removal is verified");
        assert_eq!(phase(&plan, &events, 37 * s), ("observation", plan.duration().0));
        assert_eq!(phase(&plan, &events, plan.duration().0).0, "drain");
    }

    #[test]
    fn without_a_fault_there_is_just_load() {
        let plan = plan(Time::ZERO);
        assert_eq!(phase(&plan, &[], 30_000_000_000), ("load", plan.duration().0));
    }

    #[test]
    fn a_second_is_summed_up_and_begun_anew() {
        let mut pulse = Pulse::default();
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        record.end = Instant(7_000_000);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        pulse.records(&[record, record]);
        pulse.judged(2_000_000_000, Some(&Bin { from: Instant(0), to: Instant(1), scheduled: 4, good: 3 }));
        let second = pulse.second();
        assert_eq!((second.answered, second.p50, second.goodput), (1.0, Some(Time::from_millis(7)), Some(0.75)));
        pulse.judged(3_000_000_000, None);
        assert_eq!((pulse.second().answered, pulse.second().p99), (0.0, None));
    }
}
