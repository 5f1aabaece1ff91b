//! One simulated run and its verdict.

use super::plan::TwinPlan;
use super::simulation::{AttemptCounts, RequestOutcome, SimulationInput, simulate};
use crate::plan::MAX_SLO;
use crate::record::digest::Digest;
use crate::record::event::{EventKind, RunEnd};
use crate::record::{Event, FaultStep, Outcome, RequestRecord};
use crate::units::{Instant, Time};
use crate::verdict::{DueTimes, Judgement, Survey, judge};

/// A simulated run.
#[derive(Clone, Debug)]
pub struct TwinRun {
    pub judgement: Judgement,
    pub requests: Vec<RequestOutcome>,
    pub counts: AttemptCounts,
}

impl TwinRun {
    /// Simulates a run of `plan`, and judges it as a real one is judged.
    pub fn simulate(plan: &TwinPlan) -> TwinRun {
        let experiment = plan.experiment();
        let duration = experiment.phases().duration;
        let mut due = DueTimes::of(experiment).until(Instant::START.plus(duration)).to_vec();
        due.sort_unstable();
        let client = plan.client();
        let drain = experiment.slo().unwrap_or(MAX_SLO).plus(client.timeout.unwrap_or(Time::ZERO));
        let simulated = simulate(&SimulationInput {
            system: &plan.settings().system,
            mitigation: &plan.settings().mitigation,
            client,
            outage: plan.outage(),
            due: &due,
            end: Instant::START.plus(duration).plus(drain),
            seed: experiment.load().seed,
        });
        let records = to_records(&simulated.requests);
        let events = list_events(plan);
        let mut survey = Survey::new(experiment, &events);
        survey.add(&records);
        let digest = Digest::of(survey.frame(Instant::START), &records);
        TwinRun {
            judgement: judge(experiment, &digest, &events),
            requests: simulated.requests,
            counts: simulated.counts,
        }
    }
}

/// The last attempt of each request, which is what a verdict counts.
fn to_records(requests: &[RequestOutcome]) -> Vec<RequestRecord> {
    let record = |(number, request): (usize, &RequestOutcome)| {
        let mut record = RequestRecord::planned(number as u64, request.due, 0);
        (record.ready, record.sent, record.end) = (request.due, request.due, request.end);
        let (outcome, status) = match (request.end.known(), request.success) {
            (None, _) => (Outcome::Unanswered, 0),
            (Some(_), true) => (Outcome::Answered, 200),
            (Some(_), false) => (Outcome::Answered, 503),
        };
        record.status = status;
        record.set_outcome(outcome);
        record.set_last(true);
        record
    };
    requests.iter().enumerate().map(record).collect()
}

/// What a run with this outage records.
fn list_events(plan: &TwinPlan) -> Vec<Event> {
    let steps = |outage: super::simulation::Outage| {
        [
            (outage.from, FaultStep::Commanded),
            (outage.from, FaultStep::Effective),
            (outage.to, FaultStep::RemovalCommanded),
            (outage.to, FaultStep::RemovalVerified),
        ]
    };
    let fault = |(at, step)| Event {
        at,
        what: EventKind::Fault {
            fault: 0,
            kind: "outage".to_owned(),
            step,
            detail: String::new(),
            warnings: Vec::new(),
        },
    };
    let at = Instant::START.plus(plan.experiment().phases().duration);
    let what = EventKind::Ended { how: RunEnd::Complete, detail: String::new(), abort: None };
    plan.outage().into_iter().flat_map(steps).map(fault).chain([Event { at, what }]).collect()
}
