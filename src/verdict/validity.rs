//! Whether a run is valid.

use super::baseline::check_baseline;
use super::judgement::{Evidence, InvalidReason};
use super::thresholds::MAX_CORE_WAIT;
use crate::plan::ExperimentPlan;
use crate::record::digest::Digest;
use crate::record::event::RunEnd;
use crate::stats::{percentile_rank, ratio, value_at_percentile};
use crate::units::{Instant, Time};

/// The largest valid send lag, at the 99th percentile.
pub const MAX_SEND_LAG: Time = Time::from_millis(10);
/// The longest valid stall of the generator's process: half of the least SLO.
const MAX_STALL: Time = Time::from_millis(500);
/// The largest share of due requests that may be unsent or without a record.
const MAX_MISSING: f64 = 0.02;

/// All reasons for which the run is invalid, the most important first.
pub fn find_reasons(plan: &ExperimentPlan, digest: &Digest, evidence: &Evidence) -> Vec<InvalidReason> {
    let mut reasons = Vec::new();
    match &evidence.timeline.ending {
        None => reasons.push(InvalidReason::Killed),
        Some((RunEnd::Interrupted, _)) => reasons.push(InvalidReason::Interrupted),
        Some((RunEnd::Failed, detail)) => reasons.push(InvalidReason::Failed(detail.clone())),
        Some((RunEnd::Aborted, detail)) => reasons.push(InvalidReason::Aborted(detail.clone())),
        Some((RunEnd::Complete, _)) => {}
    }
    // A run that was cut short had no time for its later steps, so missing steps are not further reasons.
    let complete = reasons.is_empty();
    let incomplete = check_record_count(digest.totals.records, evidence);
    // If some of the records are lost, as those of a killed run, the remaining ones do not show how it went.
    let is_cut = reasons == [InvalidReason::Killed] || incomplete.is_some();
    reasons.extend(incomplete);
    if !is_cut {
        // A generator that was late spoils the baseline too, so its reason comes first.
        reasons.extend(check_stalls(evidence));
        reasons.extend(check_send_lag(digest));
        reasons.extend(check_core_wait(plan, evidence));
        match (evidence.baseline, evidence.timeline.baseline_end()) {
            (Some(baseline), _) => {
                let backlog = digest.cohorts.as_ref().map(|cohorts| cohorts.baseline_backlog.points());
                reasons.extend(check_baseline(plan, baseline, &backlog.unwrap_or_default()));
            }
            (None, Some(_)) => reasons.push(InvalidReason::ShortBaseline),
            (None, None) => {}
        }
        reasons.extend(check_missing(digest, evidence));
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
    reasons.extend(check_observation(plan, evidence, least_observation(plan)).filter(|_| complete));
    reasons
}

/// Whether all records are there that the run wrote.
fn check_record_count(found: u64, evidence: &Evidence) -> Option<InvalidReason> {
    let recorded = evidence.timeline.recorded?;
    (recorded != found).then_some(InvalidReason::IncompleteRecords { recorded, found })
}

/// What every run observes after its fault. One that is judged early ends once the system recovered and was watched, which
/// may be long before a system that is stuck can be told.
fn least_observation(plan: &ExperimentPlan) -> Time {
    let windows = plan.windows();
    match plan.early() {
        Some(_) => windows.last.min(windows.recovery.plus(windows.watch)),
        None => windows.last,
    }
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

fn check_send_lag(digest: &Digest) -> Option<InvalidReason> {
    let cohorts = digest.cohorts.as_ref()?;
    // The histogram rounds: whether the percentile is above the limit follows from the exact number of those above it.
    let is_late = cohorts.late > cohorts.lags - percentile_rank(cohorts.lags, 99.0).min(cohorts.lags);
    let p99 = || Time(value_at_percentile(&digest.totals.latencies.send_lag, 99.0));
    is_late.then(|| InvalidReason::SendLag(p99()))
}

/// Due requests that only the generator can have failed to send: those that could be sent and were not, and those
/// without a record. If no connection was ever free for a request, the system is the cause.
fn check_missing(digest: &Digest, evidence: &Evidence) -> Option<InvalidReason> {
    let (cohorts, judged) = (digest.cohorts.as_ref()?, digest.frame().judged.as_ref()?);
    let (due, unsent) = (judged.planned_requests, cohorts.ready_unsent);
    let missing = due.abs_diff(cohorts.recorded);
    let dropped = evidence.timeline.generator.records_dropped;
    let too_many = (missing + unsent) as f64 > MAX_MISSING * due as f64;
    (too_many || due == 0).then_some(InvalidReason::MissingRequests { due, missing, unsent, dropped })
}
