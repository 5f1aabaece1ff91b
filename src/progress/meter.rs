//! Makes the progress of a run, once a second. Pure: instants and counts are arguments.

use std::sync::Arc;

use super::event_text::describe_event;
use super::interval::SharedInterval;
use super::{MemoryUse, Phase, Progress, ProgressEvent, ProgressSink, RequestProgress};
use crate::load::{ActiveLoad, LoadPlan, PartsProgress};
use crate::record::{Account, Event, Sample};
use crate::stats::{ratio, value_at_percentile};
use crate::units::{Instant, Time};

/// The interval of progress.
const INTERVAL: Time = Time::from_secs(1);

/// What the live counters of running loads say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Attempts so far.
    pub sent: u64,
    pub in_flight: u64,
    pub connections: Option<u64>,
    pub parts: Option<PartsProgress>,
}

impl LiveCounts {
    /// The counts of loads that run.
    pub fn read(loads: &dyn ActiveLoad) -> LiveCounts {
        let (live, parts) = (loads.live(), loads.parts_progress());
        LiveCounts {
            sent: live.iter().map(|live| live.sent()).sum(),
            in_flight: live.iter().map(|live| live.in_flight()).sum(),
            // Other generators do not send this number.
            connections: parts.is_none().then(|| live.iter().map(|live| live.connections()).sum()),
            parts,
        }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    pub phase: Phase,
    /// The end of the phase, at the latest.
    pub until: Instant,
    /// Goodput of the last final bin, 0 to 1.
    pub goodput: Option<f64>,
}

impl Stage {
    /// The stage of loads at `at`, by their plans.
    pub fn of_loads(plans: &[LoadPlan], at: Instant) -> Stage {
        let latest = |of: fn(&LoadPlan) -> Time| Instant::START.plus(plans.iter().map(of).max().unwrap_or(Time::ZERO));
        let (warmup, end) = (latest(|plan| plan.warmup), latest(|plan| plan.duration));
        let (phase, until) = match at {
            _ if at >= end => (Phase::Drain, latest(|plan| plan.duration.plus(plan.drain))),
            _ if at < warmup => (Phase::WarmUp, warmup),
            _ => (Phase::Load, end),
        };
        Stage { phase, until, goodput: None }
    }
}

/// Makes the progress of a run.
#[derive(Debug)]
pub struct ProgressMeter {
    plans: Vec<LoadPlan>,
    /// `None` if no records arrive.
    records: Option<SharedInterval>,
    /// The records of all intervals.
    total: Account,
    /// When the current interval began, and the number of attempts by then.
    start: (Instant, u64),
    memory: Option<MemoryUse>,
    /// The first component that sent a sample.
    source: Option<String>,
    events: Vec<ProgressEvent>,
}

impl ProgressMeter {
    /// The meter of loads with these plans.
    pub fn new(plans: &[LoadPlan]) -> ProgressMeter {
        ProgressMeter {
            plans: plans.to_vec(),
            records: None,
            total: Account::default(),
            start: (Instant::START, 0),
            memory: None,
            source: None,
            events: Vec::new(),
        }
    }

    /// The sink that needs all records of the loads.
    pub fn sink(&mut self) -> ProgressSink {
        let records = self.records.get_or_insert_default();
        if let Some(slo) = self.plans.iter().find_map(|plan| plan.slo) {
            records.set_slo(slo);
        }
        records.sink()
    }

    /// The longest response time of a good answer, from now on.
    pub fn set_slo(&self, slo: Time) {
        if let Some(records) = &self.records {
            records.set_slo(slo);
        }
    }

    pub fn add_event(&mut self, event: &Event) {
        self.events.extend(describe_event(event));
    }

    /// Whether something happened since the last value.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub fn add_samples(&mut self, samples: &[Sample]) {
        let Some(first) = samples.first() else { return };
        let source = self.source.get_or_insert_with(|| first.source.clone());
        let Some(last) = samples.iter().rev().find(|sample| sample.source == *source) else { return };
        self.memory = last.memory_bytes.map(|used_bytes| MemoryUse {
            source: source.clone(),
            used_bytes,
            limit_bytes: last.limit_bytes,
        });
    }

    /// Whether the current interval is over.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.start.0.plus(INTERVAL)
    }

    /// Ends the interval at `now` and starts the next one.
    pub fn end_interval(&mut self, now: Instant, live: LiveCounts, stage: Stage) -> Progress {
        let (start, sent_before) = std::mem::replace(&mut self.start, (now, live.sent));
        let seconds = now.since(start).as_secs_f64();
        let per_second = |count: u64| ratio(count as f64, seconds);
        let requests = self.records.as_ref().map(|records| {
            let interval = records.take();
            self.total.merge(&interval.account);
            let response = |percent| {
                let us = value_at_percentile(&interval.response, percent);
                (!interval.response.is_empty()).then(|| Time(us * 1000))
            };
            let lag = Time(value_at_percentile(&interval.send_lag, 99.0));
            RequestProgress {
                answered: per_second(interval.account.answered),
                good: per_second(interval.good),
                p50: response(50.0),
                p99: response(99.0),
                send_lag: (!interval.send_lag.is_empty()).then_some(lag),
                errors: self.total.errors,
                interval: Arc::new(interval),
            }
        });
        Progress {
            at: now,
            duration: self.plans.iter().map(|plan| plan.duration).max().unwrap_or(Time::ZERO),
            phase: stage.phase,
            left: stage.until.since(now),
            offered: ratio(self.due_before(now) - self.due_before(start), seconds),
            // Requests that the server did not process are no longer counted as sent.
            sent: per_second(live.sent.saturating_sub(sent_before)),
            in_flight: live.in_flight,
            connections: live.connections,
            requests,
            goodput: stage.goodput,
            memory: self.memory.clone(),
            parts: live.parts,
            events: std::mem::take(&mut self.events),
        }
    }

    /// Mean number of requests due before an instant, over all loads.
    fn due_before(&self, at: Instant) -> f64 {
        let at = at.since(Instant::START);
        self.plans
            .iter()
            .map(|plan| plan.planned_rate_over(at.min(plan.duration)) * at.min(plan.duration).as_secs_f64())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadSettings;
    use crate::record::sink::RecordSink;
    use crate::record::{EventKind, FaultStep, Outcome, RequestRecord};

    fn s(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    fn plan() -> LoadPlan {
        LoadPlan::new(LoadSettings {
            warmup: Time::from_secs(2),
            duration: Time::from_secs(4),
            drain: Time::from_secs(1),
            ..LoadSettings::new("http://h/", 100.0)
        })
        .unwrap()
    }

    fn live(sent: u64) -> LiveCounts {
        LiveCounts { sent, in_flight: 3, ..LiveCounts::default() }
    }

    #[test]
    fn rates_and_response_times_are_those_of_one_interval_and_errors_those_of_the_whole_load() {
        let plan = plan();
        let mut meter = ProgressMeter::new(std::slice::from_ref(&plan));
        let mut sink = meter.sink();
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        (record.sent, record.end, record.status) = (Instant::START, Instant(7_000_000), 503);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        sink.consume(&[record, record]).unwrap();
        assert!(!meter.is_due(Instant(999_999_999)) && meter.is_due(s(1)));
        let first = meter.end_interval(s(1), live(40), Stage::of_loads(std::slice::from_ref(&plan), s(1)));
        let requests = first.requests.unwrap();
        assert_eq!((first.sent, first.in_flight, requests.answered, requests.good), (40.0, 3, 2.0, 0.0));
        assert_eq!((requests.p50.map(|t| t.0 / 1_000_000), requests.errors.status), (Some(7), 2));
        assert!(!meter.is_due(Instant(1_999_999_999)));
        let second = meter.end_interval(s(3), live(140), Stage::of_loads(&[plan], s(3)));
        let requests = second.requests.unwrap();
        assert_eq!((second.sent, requests.p50, requests.p99, requests.errors.status), (50.0, None, None, 2));
    }

    #[test]
    fn the_phases_of_a_load_follow_from_its_plan() {
        let plans = [plan()];
        let stage = |at| {
            let Stage { phase, until, .. } = Stage::of_loads(&plans, at);
            (phase, until)
        };
        assert_eq!(stage(s(1)), (Phase::WarmUp, s(2)));
        assert_eq!(stage(s(2)), (Phase::Load, s(4)));
        assert_eq!(stage(s(4)), (Phase::Drain, s(5)));
    }

    #[test]
    fn requests_are_offered_until_the_end_of_the_load() {
        let plan =
            LoadPlan::new(LoadSettings { duration: Time::from_secs(4), ..LoadSettings::new("http://h/", 100.0) });
        let mut meter = ProgressMeter::new(&[plan.unwrap()]);
        let stage = Stage { phase: Phase::Load, until: s(4), goodput: None };
        let mut offered = |at| meter.end_interval(at, LiveCounts::default(), stage).offered;
        assert_eq!([s(3), s(5), s(6)].map(&mut offered), [100.0, 50.0, 0.0]);
    }

    #[test]
    fn an_event_and_a_sample_are_part_of_the_next_value() {
        let mut meter = ProgressMeter::new(&[]);
        let what = EventKind::Fault {
            fault: 0,
            kind: "link-cut".into(),
            step: FaultStep::RemovalVerified,
            detail: String::new(),
            warnings: vec![],
        };
        meter.add_event(&Event { at: s(1), what });
        let sample = |source: &str, bytes| Sample {
            source: source.into(),
            memory_bytes: Some(bytes),
            limit_bytes: Some(9),
            ..Sample::default()
        };
        meter.add_samples(&[sample("db", 1), sample("db", 2), sample("web", 3)]);
        meter.add_samples(&[sample("web", 4)]);
        let stage = Stage { phase: Phase::Observation, until: s(9), goodput: Some(0.5) };
        let progress = meter.end_interval(s(2), LiveCounts::default(), stage);
        assert_eq!(
            progress.events,
            [ProgressEvent { at: s(1), text: "removal of link-cut verified".into(), detail: String::new() }]
        );
        assert_eq!(progress.memory, Some(MemoryUse { source: "db".into(), used_bytes: 2, limit_bytes: Some(9) }));
        assert_eq!((progress.left, progress.goodput, progress.requests), (Time::from_secs(7), Some(0.5), None));
        assert_eq!(meter.end_interval(s(3), LiveCounts::default(), stage).events, []);
    }
}
