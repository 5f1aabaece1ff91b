use super::goodput::{Cohorts, Schedule};
use super::{Judgement, SOUND, rises};
use crate::plan::ExperimentPlan;
use crate::record::event::Ending;
use crate::record::{Outcome, RequestRecord};
use crate::stats::percentile;

/// Why a run can't tell anything. Instants and spans are ns.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Somebody stopped it.
    Interrupted,
    /// It was killed: nothing says that it ended.
    Killed,
    /// Something broke.
    Failed(String),
    /// Too many failed before the fault: g0 < 0.99.
    PoorBaseline(f64),
    /// The backlog grew before the fault.
    OverloadedBefore,
    /// There was less than 5 s of load between the warm-up and the fault.
    ShortBaseline,
    /// The generator was late by itself: p99 of sent - ready above 10 ms.
    SendLag(u64),
    /// Of `planned` requests the generator for its own sake did not send, or lost the record of, so many.
    Missing {
        planned: u64,
        missing: u64,
        unsent: u64,
        dropped: u64,
    },
    /// Place in the plan, and what the fault said.
    NeverEffective(usize, Option<String>),
    RemovalUnverified(usize, Option<String>),
    /// Components dead at the end.
    Dead(Vec<String>),
    /// After the fault the load lasted for only so long, where `least` was needed.
    ShortObservation {
        observed: u64,
        least: u64,
    },
}

/// The most that the generator's own lateness may be, at p99.
const MOST_SEND_LAG: u64 = 10_000_000;
/// The most that it may leave out.
const MOST_MISSING: f64 = 0.02;

/// All that speaks against believing the run, in the contract's order.
pub fn reasons(plan: &ExperimentPlan, records: &[RequestRecord], cohorts: &Cohorts, seen: &Judgement) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match &seen.timeline.ending {
        None => reasons.push(Reason::Killed),
        Some((Ending::Interrupted, _)) => reasons.push(Reason::Interrupted),
        Some((Ending::Failed, detail)) => reasons.push(Reason::Failed(detail.clone())),
        Some((Ending::Complete, _)) => {}
    }
    // What a run that was cut short had no time for needs no words of its own.
    let complete = reasons.is_empty();
    // Of a run that was killed some records are lost: what the others show is not how it was.
    if reasons != [Reason::Killed] {
        reasons.extend(of_baseline(plan, cohorts, seen));
        reasons.extend(send_lag(plan, records));
        reasons.extend(missing(plan, records, seen));
    }
    for (i, fault) in seen.timeline.faults.iter().enumerate() {
        match (fault.effective, fault.removed) {
            (None, _) if complete || fault.failure.is_some() => {
                reasons.push(Reason::NeverEffective(i, fault.failure.clone()));
            }
            (None, _) => {}
            (Some(_), None) => reasons.push(Reason::RemovalUnverified(i, fault.failure.clone())),
            (Some(_), Some(_)) => {}
        }
    }
    if !seen.timeline.dead.is_empty() {
        reasons.push(Reason::Dead(seen.timeline.dead.clone()));
    }
    reasons.extend(short_observation(plan, seen, plan.windows().last.0).filter(|_| complete));
    reasons
}

/// What the time before the fault lacked.
fn of_baseline(plan: &ExperimentPlan, cohorts: &Cohorts, seen: &Judgement) -> Vec<Reason> {
    let Some(baseline) = seen.baseline else {
        return seen.timeline.t0().map(|_| Reason::ShortBaseline).into_iter().collect();
    };
    let width = plan.windows().bin.0;
    let steps = ((baseline.to - baseline.from) / width) as usize;
    let rising = rises(&cohorts.backlog(baseline.from, width, steps), plan.load.rate);
    let poor = (baseline.goodput < SOUND).then_some(Reason::PoorBaseline(baseline.goodput));
    poor.into_iter().chain(rising.then_some(Reason::OverloadedBefore)).collect()
}

/// The load ended less than `least` after the fault; a bin's width is let pass.
pub fn short_observation(plan: &ExperimentPlan, seen: &Judgement, least: u64) -> Option<Reason> {
    let observed = seen.end.saturating_sub(seen.timeline.t1()?);
    let short = observed.saturating_add(plan.windows().bin.0) < least;
    short.then_some(Reason::ShortObservation { observed, least })
}

fn send_lag(plan: &ExperimentPlan, records: &[RequestRecord]) -> Option<Reason> {
    let judged = records.iter().filter(|record| record.due.0 >= plan.phases.warmup.0);
    let mut lags: Vec<u64> = judged.filter_map(RequestRecord::send_lag).map(|lag| lag.0).collect();
    percentile(&mut lags, 99.0).filter(|&p99| p99 > MOST_SEND_LAG).map(Reason::SendLag)
}

/// Requests that were due and for which the generator alone is to blame: ready and yet not sent, or without any record.
/// One that was never ready, because no connection was free, is the system's doing.
fn missing(plan: &ExperimentPlan, records: &[RequestRecord], seen: &Judgement) -> Option<Reason> {
    let planned = Schedule::of(plan).until(seen.end).len() as u64;
    let last = || records.iter().filter(|record| record.is_last() && record.due.0 < seen.end);
    let recorded = last().count() as u64;
    let unsent = last()
        .filter(|r| r.outcome() == Some(Outcome::Unsent) && r.attempt == 0 && r.ready.known().is_some())
        .count() as u64;
    let missing = planned.abs_diff(recorded);
    let dropped = seen.timeline.generator.records_dropped;
    let off = (missing + unsent) as f64 > MOST_MISSING * planned as f64;
    (off || planned == 0).then_some(Reason::Missing { planned, missing, unsent, dropped })
}
