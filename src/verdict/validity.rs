//! Whether a run is valid.

use super::baseline::check_baseline;
use super::due_times::DueTimes;
use super::goodput::Cohorts;
use super::judgement::{Evidence, InvalidReason};
use super::thresholds::MAX_CORE_WAIT;
use crate::plan::ExperimentPlan;
use crate::record::event::RunEnd;
use crate::record::{Outcome, RequestRecord};
use crate::stats::{percentile, ratio};
use crate::units::{Instant, Time};

/// The largest valid send lag, at the 99th percentile.
const MAX_SEND_LAG: Time = Time::from_millis(10);
/// The longest valid stall of the generator's process: half of the least SLO.
const MAX_STALL: Time = Time::from_millis(500);
/// The largest share of due requests that may be unsent or without a record.
const MAX_MISSING: f64 = 0.02;

/// All reasons for which the run is invalid, the most important first.
pub fn find_reasons(
    plan: &ExperimentPlan,
    records: &[RequestRecord],
    cohorts: &Cohorts,
    evidence: &Evidence,
) -> Vec<InvalidReason> {
    let mut reasons = Vec::new();
    match &evidence.timeline.ending {
        None => reasons.push(InvalidReason::Killed),
        Some((RunEnd::Interrupted, _)) => reasons.push(InvalidReason::Interrupted),
        Some((RunEnd::Failed, detail)) => reasons.push(InvalidReason::Failed(detail.clone())),
        Some((RunEnd::Complete, _)) => {}
    }
    // A run that was cut short had no time for its later steps, so missing steps are not further reasons.
    let complete = reasons.is_empty();
    let incomplete = check_record_count(records, evidence);
    // If some of the records are lost, as those of a killed run, the remaining ones do not show how it went.
    let is_cut = reasons == [InvalidReason::Killed] || incomplete.is_some();
    reasons.extend(incomplete);
    if !is_cut {
        // A generator that was late spoils the baseline too, so its reason comes first.
        reasons.extend(check_stalls(evidence));
        reasons.extend(check_send_lag(plan, records));
        reasons.extend(check_core_wait(plan, evidence));
        match (evidence.baseline, evidence.timeline.baseline_end()) {
            (Some(baseline), _) => reasons.extend(check_baseline(plan, cohorts, baseline, cohorts.due())),
            (None, Some(_)) => reasons.push(InvalidReason::ShortBaseline),
            (None, None) => {}
        }
        reasons.extend(check_missing(plan, records, evidence));
    }
    let refused = evidence.timeline.ended_by_baseline();
    reasons.extend(refused.filter(|_| reasons.is_empty()).map(|why| InvalidReason::BaselineRefused(why.to_owned())));
    let complete = complete && refused.is_none();
    for (i, fault) in evidence.timeline.faults.iter().enumerate() {
        match (fault.effective, fault.removed) {
            (None, _) if complete || fault.failure.is_some() => {
                reasons.push(InvalidReason::NeverEffective(i, fault.failure.clone()));
            }
            (None, _) => {}
            (Some(_), None) => reasons.push(InvalidReason::RemovalUnverified(i, fault.failure.clone())),
            (Some(_), Some(_)) => {}
        }
    }
    if !evidence.timeline.dead.is_empty() {
        reasons.push(InvalidReason::DeadComponents(evidence.timeline.dead.clone()));
    }
    reasons.extend(check_observation(plan, evidence, plan.windows().last).filter(|_| complete));
    reasons
}

/// Whether all records are there that the run wrote.
fn check_record_count(records: &[RequestRecord], evidence: &Evidence) -> Option<InvalidReason> {
    let (recorded, found) = (evidence.timeline.recorded?, records.len() as u64);
    (recorded != found).then_some(InvalidReason::IncompleteRecords { recorded, found })
}

/// Whether the load went on for at least `needed` after the fault. One bin less is accepted.
pub fn check_observation(plan: &ExperimentPlan, evidence: &Evidence, needed: Time) -> Option<InvalidReason> {
    let observed = evidence.end.since(evidence.timeline.t1()?);
    let short = observed.plus(plan.windows().bin) < needed;
    short.then_some(InvalidReason::ShortObservation { observed, needed })
}

/// The longest stall of the generator's own process, if it is too long. The send lag does not show a stall if all
/// connections were busy at its start: when their answers had come is unknown then.
fn check_stalls(evidence: &Evidence) -> Option<InvalidReason> {
    let during_load = |(until, lasted): &&(Instant, Time)| {
        *until > evidence.warmup_end && until.minus(*lasted) < evidence.end && *lasted > MAX_STALL
    };
    let longest = evidence.timeline.stalls.iter().filter(during_load).max_by_key(|(_, lasted)| *lasted);
    longest.map(|&(until, lasted)| InvalidReason::Stalled(until, lasted))
}

/// The share of the run in which the generator's threads had no core, if it is too large. The send lag does not show that
/// answers were read late, and that connections seemed to be busy for as long.
fn check_core_wait(plan: &ExperimentPlan, evidence: &Evidence) -> Option<InvalidReason> {
    let waited = evidence.timeline.generator.core_wait_ns? as f64;
    let share = ratio(waited, evidence.end.0 as f64 * plan.load().threads as f64);
    (share > MAX_CORE_WAIT).then_some(InvalidReason::NoCore(share))
}

fn check_send_lag(plan: &ExperimentPlan, records: &[RequestRecord]) -> Option<InvalidReason> {
    let warmup = Instant::START.plus(plan.phases().warmup);
    let measured = records.iter().filter(|record| record.due >= warmup);
    let mut lags: Vec<Time> = measured.filter_map(RequestRecord::send_lag).collect();
    percentile(&mut lags, 99.0).filter(|&p99| p99 > MAX_SEND_LAG).map(InvalidReason::SendLag)
}

/// Due requests that only the generator can have failed to send: those that could be sent and were not, and those
/// without a record. If no connection was ever free for a request, the system is the cause.
fn check_missing(plan: &ExperimentPlan, records: &[RequestRecord], evidence: &Evidence) -> Option<InvalidReason> {
    // Only a fault, or the end of its observation, ends arrivals before the planned end of a complete run.
    let is_whole = plan.faults().is_empty() && matches!(evidence.timeline.ending, Some((RunEnd::Complete, _)));
    let end = if is_whole { Instant::START.plus(plan.phases().duration) } else { evidence.end };
    let due = DueTimes::of(plan).until(end).len() as u64;
    let last_attempts = || records.iter().filter(|record| record.is_last() && record.due < end);
    let recorded = last_attempts().count() as u64;
    let unsent = last_attempts()
        .filter(|r| r.outcome() == Some(Outcome::Unsent) && r.attempt == 0 && r.ready.known().is_some())
        .count() as u64;
    let missing = due.abs_diff(recorded);
    let dropped = evidence.timeline.generator.records_dropped;
    let too_many = (missing + unsent) as f64 > MAX_MISSING * due as f64;
    (too_many || due == 0).then_some(InvalidReason::MissingRequests { due, missing, unsent, dropped })
}
