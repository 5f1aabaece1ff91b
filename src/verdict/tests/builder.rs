use std::path::Path;

use super::super::goodput::{Bin, Cohorts};
use super::super::{DueTimes, Judgement, Survey, judge, judge_live, observation_is_over};
use crate::arrivals::{Arrivals, ThreadShare};
use crate::plan::config::Overrides;
use crate::plan::{ExperimentPlan, config};
use crate::record::digest::Digest;
use crate::record::event::{EventKind, RunEnd};
use crate::record::{Event, FaultStep, Outcome, RequestRecord};
use crate::units::{Instant, Time};

pub const S: u64 = 1_000_000_000;

/// The instant at this second of the run.
pub const fn at(second: u64) -> Instant {
    Instant(second * S)
}

pub const fn secs(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

/// The outcome of a request.
#[derive(Clone, Copy)]
pub enum Fate {
    /// Answered with 200 after this many ns.
    Good(u64),
    /// Answered with 500 after this many ns.
    Failed(u64),
    /// Sent, and never answered.
    Open,
    /// Never sent: no connection was free.
    NeverReady,
    /// Never sent, although a connection was free.
    ReadyUnsent,
}

/// A run of 100 requests/s at fixed gaps, with a fault from second 15 to second 35.
pub struct Run {
    pub plan: ExperimentPlan,
    pub events: Vec<Event>,
    fate: Box<dyn Fn(u64, u64) -> Fate>,
    lag: fn(u64) -> u64,
    lost: fn(u64) -> bool,
    stop: u64,
}

const BASE: &str = "name = \"made up\"\n[testbed]\n[load]\nrate = 100\n[verdict]\n[phases]\n";
const FAULT: &str = "[[fault]]\nkind = \"link-cut\"\nfor = \"20s\"\n";

fn plan(text: &str) -> ExperimentPlan {
    config::parse(text, "made-up.toml", Path::new(""), &Overrides::default()).unwrap()
}

pub fn answered(request: u64, due: u64, end: u64) -> RequestRecord {
    let mut record = RequestRecord::planned(request, Instant(due), 0);
    record.end = Instant(end);
    record.status = 200;
    record.set_outcome(Outcome::Answered);
    record.set_last(true);
    record
}

/// Goodput 1 except in the parts given as (from, to, goodput), in seconds: there, that share of each hundred requests is
/// answered well.
pub fn profile(parts: &[(u64, u64, f64)]) -> impl Fn(u64, u64) -> Fate + use<> {
    let parts = parts.to_vec();
    move |request, due| {
        let within = parts.iter().rev().find(|(from, to, _)| (from * S..to * S).contains(&due));
        let good = within.map_or(1.0, |part| part.2);
        // 7 and 100 are coprime, so failures are spread out.
        if ((request * 7 % 100) as f64) < (good * 100.0).round() { Fate::Good(S / 100) } else { Fate::Failed(S / 100) }
    }
}

/// The digest of these records.
pub fn digest(plan: &ExperimentPlan, records: &[RequestRecord], events: &[Event]) -> Digest {
    let mut survey = Survey::new(plan, events);
    survey.add(records);
    Digest::of(survey.frame(Instant::START), records)
}

pub fn judge_records(plan: &ExperimentPlan, records: &[RequestRecord], events: &[Event]) -> Judgement {
    judge(plan, &digest(plan, records, events), events)
}

impl Run {
    fn of(plan: ExperimentPlan) -> Run {
        let stop = plan.phases().duration.0;
        let mut run = Run { plan, events: Vec::new(), fate: Box::new(profile(&[])), lag: |_| 0, lost: |_| false, stop };
        let steps =
            [FaultStep::Commanded, FaultStep::Effective, FaultStep::RemovalCommanded, FaultStep::RemovalVerified];
        for (fault, planned) in run.plan.faults().iter().enumerate() {
            let (from, to) = (planned.at.0, planned.end().0);
            for (step, at_ns) in steps.into_iter().zip([from, from, to, to]) {
                let what =
                    EventKind::Fault { fault, kind: "link-cut".into(), step, detail: String::new(), warnings: vec![] };
                run.events.push(Event { at: Instant(at_ns), what });
            }
        }
        run.event(stop / S, EventKind::Ended { how: RunEnd::Complete, detail: String::new(), abort: None })
    }

    pub fn new() -> Run {
        Run::of(plan(&format!("{BASE}{FAULT}")))
    }

    /// The fault is a surge of three times the load.
    pub fn surging() -> Run {
        Run::of(plan(&format!("{BASE}{FAULT}factor = 3").replace("\"link-cut\"", "\"surge\"")))
    }

    pub fn without_fault() -> Run {
        Run::of(plan(BASE))
    }

    /// Without a fault, for as long as this.
    pub fn lasting(duration: &str) -> Run {
        Run::of(plan(&format!("{BASE}duration = \"{duration}\"\n")))
    }

    /// With a baseline of five bins, and the fault right after it.
    pub fn at_rate(rate: f64) -> Run {
        let text = format!("{BASE}baseline = \"25s\"\n{FAULT}").replace("rate = 100", &format!("rate = {rate}"));
        Run::of(plan(&text))
    }

    pub fn with(mut self, fate: impl Fn(u64, u64) -> Fate + 'static) -> Run {
        self.fate = Box::new(fate);
        self
    }

    pub fn slo(mut self, slo: &str) -> Run {
        let fault = if self.plan.faults().is_empty() { "" } else { FAULT };
        self.plan = plan(&format!("{BASE}{fault}").replace("[verdict]", &format!("[verdict]\nslo = \"{slo}\"")));
        self
    }

    /// H
    pub fn observe(mut self, observe: &str) -> Run {
        self.plan = plan(&format!("{BASE}observe = \"{observe}\"\n{FAULT}"));
        self
    }

    /// The plan is judged early, by a system that is stuck for this long.
    pub fn early(mut self, stuck: &str) -> Run {
        self.plan = plan(&format!("{BASE}{FAULT}").replace("[verdict]", &format!("[verdict]\nearly = \"{stuck}\"")));
        self
    }

    /// No fault was commanded.
    pub fn without_fault_steps(mut self) -> Run {
        self.events.retain(|event| !matches!(event.what, EventKind::Fault { .. }));
        self
    }

    pub fn lag(mut self, lag: fn(u64) -> u64) -> Run {
        self.lag = lag;
        self
    }

    /// Requests without a record.
    pub fn lose(mut self, lost: fn(u64) -> bool) -> Run {
        self.lost = lost;
        self
    }

    /// Arrivals end at `second`.
    pub fn stop_at(mut self, second: u64) -> Run {
        self.stop = second * S;
        self
    }

    pub fn event(mut self, second: u64, what: EventKind) -> Run {
        self.events.push(Event { at: Instant(second * S), what });
        self
    }

    pub fn without_end(mut self) -> Run {
        self.events.retain(|event| !matches!(event.what, EventKind::Ended { .. }));
        self
    }

    pub fn without_step(mut self, without: FaultStep) -> Run {
        self.events.retain(|event| !matches!(event.what, EventKind::Fault { step, .. } if step == without));
        self
    }

    /// The step of the fault happens at this instant, in ns, instead of when planned.
    pub fn step_at(mut self, moved: FaultStep, at_ns: u64) -> Run {
        for event in &mut self.events {
            if matches!(event.what, EventKind::Fault { step, .. } if step == moved) {
                event.at = Instant(at_ns);
            }
        }
        self
    }

    pub fn records(&self) -> Vec<RequestRecord> {
        let load = self.plan.load();
        let arrivals = Arrivals::new(load.arrivals, self.plan.rate(), load.seed, ThreadShare::new(0, 1));
        let due =
            arrivals.take_while(|arrival| arrival.due.0 < self.stop).filter(|arrival| !(self.lost)(arrival.request));
        due.map(|arrival| self.record(arrival.request, arrival.due.0)).collect()
    }

    fn record(&self, request: u64, due: u64) -> RequestRecord {
        let fate = (self.fate)(request, due);
        let open = self.plan.phases().duration.0 + 10 * S;
        let (outcome, status, end) = match fate {
            Fate::Good(after) => (Outcome::Answered, 200, due + after),
            Fate::Failed(after) => (Outcome::Answered, 500, due + after),
            Fate::Open => (Outcome::Unanswered, 0, open),
            Fate::NeverReady | Fate::ReadyUnsent => (Outcome::Unsent, 0, open),
        };
        let mut record = RequestRecord::planned(request, Instant(due), 0);
        record.status = status;
        record.end = Instant(end);
        if !matches!(fate, Fate::NeverReady) {
            record.ready = Instant(due);
        }
        if outcome != Outcome::Unsent {
            record.sent = Instant(due + (self.lag)(request));
        }
        record.set_outcome(outcome);
        record.set_last(true);
        record
    }

    pub fn judge(&self) -> Judgement {
        judge_records(&self.plan, &self.records(), &self.events)
    }

    /// What is known at `second`: the events, and the records of requests that have ended.
    fn live(&self, second: u64) -> (Cohorts, DueTimes, Vec<Event>) {
        let now = second * S;
        let mut cohorts = Cohorts::default();
        let ended: Vec<_> = self.records().into_iter().filter(|record| record.end.0 <= now).collect();
        cohorts.add(&ended);
        (cohorts, DueTimes::of(&self.plan), self.events.iter().filter(|event| event.at.0 <= now).cloned().collect())
    }

    /// The first second at which the run may stop.
    pub fn over_at(&self) -> Option<u64> {
        let mut records = self.records();
        records.sort_by_key(|record| record.end);
        let (mut cohorts, mut due_times, _) = self.live(0);
        let mut fed = 0;
        (0..=self.stop / S).find(|&second| {
            let now = second * S;
            let ended = records.partition_point(|record| record.end.0 <= now);
            cohorts.add(&records[fed..ended]);
            fed = ended;
            let events: Vec<_> = self.events.iter().filter(|event| event.at.0 <= now).cloned().collect();
            let now = Instant(now);
            observation_is_over(&self.plan, &judge_live(&self.plan, &cohorts, &mut due_times, &events, now), now)
        })
    }

    pub fn live_bins(&self, second: u64) -> Vec<Bin> {
        let (cohorts, mut due_times, events) = self.live(second);
        judge_live(&self.plan, &cohorts, &mut due_times, &events, Instant(second * S)).bins
    }
}
