//! The state of a run in progress, for the progress line. Pure.

use std::fmt;

use crate::plan::{ExperimentPlan, PlannedFault};
use crate::record::{Event, Outcome, RequestRecord, Sample};
use crate::stats::percentile;
use crate::units::{Instant, Time};
use crate::verdict::goodput::Bin;
use crate::verdict::timeline::Timeline;

/// The state of a run at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub phase: Phase,
    pub at: Instant,
    /// The time until the end of the phase, at most.
    pub left: Time,
    /// Planned requests per second.
    pub offered: f64,
    pub in_flight: u64,
    pub interval: IntervalStats,
}

/// The part of an experiment that is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    WarmUp,
    Baseline,
    Fault,
    Observation,
    /// All of a plan without a fault.
    Load,
    Drain,
    FaultRemoval,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::WarmUp => "warm-up",
            Phase::Baseline => "baseline",
            Phase::Fault => "fault",
            Phase::Observation => "observation",
            Phase::Load => "load",
            Phase::Drain => "drain",
            Phase::FaultRemoval => "removing faults",
        })
    }
}

/// The statistics of the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IntervalStats {
    /// Answers per second.
    pub answered: f64,
    /// Percentiles of the response times of requests that ended in the interval.
    pub p50: Option<Time>,
    pub p99: Option<Time>,
    /// Goodput of the last final bin, 0 to 1.
    pub goodput: Option<f64>,
    /// Bytes of memory that the first monitored component uses, and its limit.
    pub memory: Option<(u64, Option<u64>)>,
}

/// Collects the statistics of the current interval.
#[derive(Debug, Default)]
pub struct IntervalCollector {
    /// Response times since the start of the interval.
    times: Vec<Time>,
    answered: u64,
    since: Instant,
    /// The first component that sent a sample.
    source: Option<String>,
    stats: IntervalStats,
}

impl IntervalCollector {
    pub fn add_records(&mut self, batch: &[RequestRecord]) {
        for record in batch.iter().filter(|record| record.is_last()) {
            self.answered += u64::from(record.outcome() == Some(Outcome::Answered));
            self.times.extend(record.response_sample());
        }
    }

    pub fn add_samples(&mut self, samples: &[Sample]) {
        let Some(first) = samples.first() else { return };
        let source = self.source.get_or_insert_with(|| first.source.clone());
        let Some(last) = samples.iter().rev().find(|sample| sample.source == *source) else { return };
        self.stats.memory = Some(last).and_then(|sample| Some((sample.memory_bytes?, sample.limit_bytes)));
    }

    /// Ends the interval at `now` and starts the next one. `bin` is the last final bin.
    pub fn end_interval(&mut self, now: Instant, bin: Option<&Bin>) {
        let span = now.since(self.since).max(Time(1));
        self.stats.answered = self.answered as f64 / span.as_secs_f64();
        self.stats.p50 = percentile(&mut self.times, 50.0);
        self.stats.p99 = percentile(&mut self.times, 99.0);
        self.stats.goodput = bin.map(Bin::goodput);
        self.times.clear();
        (self.answered, self.since) = (0, now);
    }

    /// The statistics of the last complete interval.
    pub fn stats(&self) -> IntervalStats {
        self.stats
    }
}

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

    #[test]
    fn each_interval_has_separate_statistics() {
        let mut collector = IntervalCollector::default();
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        record.end = Instant(7_000_000);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        collector.add_records(&[record, record]);
        collector.end_interval(s(2), Some(&Bin { from: Instant(0), to: Instant(1), scheduled: 4, good: 3 }));
        let stats = collector.stats();
        assert_eq!((stats.answered, stats.p50, stats.goodput), (1.0, Some(Time::from_millis(7)), Some(0.75)));
        collector.end_interval(s(3), None);
        assert_eq!((collector.stats().answered, collector.stats().p99), (0.0, None));
    }
}
