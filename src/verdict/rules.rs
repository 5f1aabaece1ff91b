//! The rules that turn the evidence of a run into its verdict.

use super::bins::{Bin, BinLayout, whole_bins};
use super::failures::Failures;
use super::goodput::Cohorts;
use super::judgement::{Evidence, Judgement, Verdict};
use super::recovery::{Recovery, RecoveryState, count_swings, find_recovery};
use super::thresholds::{BROKEN, HEALTHY, MIN_BASELINE};
use super::timeline::Timeline;
use super::trend::{Trend, backlog_drops, backlog_grows};
use super::validity;
use crate::plan::{ExperimentPlan, VerdictWindows};
use crate::record::{Event, RequestRecord};
use crate::stats::median;
use crate::units::{Instant, Time};

/// Judges a run of `plan` by the records and events that it left.
pub fn judge(plan: &ExperimentPlan, records: &[RequestRecord], events: &[Event]) -> Judgement {
    let mut cohorts = Cohorts::default();
    cohorts.add(records);
    let evidence = gather_evidence(plan, records, &cohorts, events);
    let verdict = decide(plan, records, &cohorts, &evidence);
    Judgement { verdict, evidence }
}

fn gather_evidence(plan: &ExperimentPlan, records: &[RequestRecord], cohorts: &Cohorts, events: &[Event]) -> Evidence {
    let timeline = Timeline::of(events, plan.faults().len());
    let (windows, warmup) = (plan.windows(), plan.phases().warmup);
    let end = find_end_of_arrivals(plan, cohorts);
    let needed = match timeline.ended_by_baseline() {
        Some(_) => windows.for_live_baseline(),
        None => windows,
    };
    let judged = timeline.baseline_end();
    let baseline = judged.and_then(|until| cohorts.baseline(needed, warmup, until, plan.slo(), cohorts.due()));
    let slo = baseline.map(|baseline| baseline.slo).or(plan.slo()).unwrap_or_else(|| {
        let from = Instant::START.plus(warmup);
        cohorts.default_slo(from, from.plus(windows.max_baseline).min(end))
    });
    let (from, to) = baseline.map_or((Instant::START.plus(warmup), end), |baseline| (baseline.from, baseline.to));
    let failures = Failures::count(records, from, to, slo);
    let bins = cohorts.bins(&lay_out_bins(&timeline, windows, warmup), slo, cohorts.due(), end);
    let warmup_end = Instant::START.plus(warmup);
    let steps = windows.last.min(end.since(warmup_end)).0 / windows.bin.0;
    let backlog = cohorts.backlog(cohorts.due(), end.minus(windows.bin.times(steps)), windows.bin, steps as usize);
    let mut evidence = Evidence {
        timeline,
        baseline,
        failures,
        slo,
        warmup_end,
        end,
        bins,
        last_goodput: None,
        backlog_trend: Trend::through(&backlog),
        backlog,
    };
    evidence.last_goodput = median_goodput(evidence.last_bins(windows));
    evidence
}

/// Applies the rules in their order: the first that matches decides.
fn decide(plan: &ExperimentPlan, records: &[RequestRecord], cohorts: &Cohorts, evidence: &Evidence) -> Verdict {
    let reasons = validity::find_reasons(plan, records, cohorts, evidence);
    if !reasons.is_empty() {
        return Verdict::Invalid(reasons);
    }
    let (Some(baseline), Some(t0), Some(t1)) = (evidence.baseline, evidence.timeline.t0(), evidence.timeline.t1())
    else {
        return if is_healthy_throughout(plan, evidence) { Verdict::Stable } else { Verdict::Overloaded };
    };
    let (g0, windows) = (baseline.goodput, plan.windows());
    let whole = whole_bins(&evidence.bins, windows);
    if whole.iter().filter(|bin| bin.from >= t0).all(|bin| bin.goodput() >= HEALTHY * g0) {
        return Verdict::Unaffected;
    }
    let after: Vec<Bin> = whole.iter().copied().filter(|bin| bin.from >= t1).collect();
    // A load that ended before H, or while the system was healthy again, does not tell whether it would have recovered.
    let needed = match find_recovery(&after, g0, windows, t1.plus(plan.phases().observe)) {
        RecoveryState::Recovered { at, watched, .. } => {
            return Verdict::Recovered(Recovery::new(&evidence.bins, g0, (t0, t1), at, watched));
        }
        RecoveryState::Pending { at } => at.since(t1).plus(windows.recovery).plus(windows.bin),
        RecoveryState::NotRecovered if plan.early().is_some() => windows.last,
        RecoveryState::NotRecovered => plan.phases().observe,
    };
    if let Some(reason) = validity::check_observation(plan, evidence, needed) {
        return Verdict::Invalid(vec![reason]);
    }
    let swings = count_swings(&after, g0);
    if swings >= 3 {
        return Verdict::Oscillating { swings };
    }
    if let Some(draining) = detect_draining(plan, evidence) {
        return draining;
    }
    match evidence.last_goodput {
        Some(goodput) if goodput <= BROKEN * g0 => Verdict::Metastable,
        _ => Verdict::Degraded,
    }
}

/// Without a fault: 99 % goodput over the run and over its last window, no bin below 90 %, and no growing backlog.
fn is_healthy_throughout(plan: &ExperimentPlan, evidence: &Evidence) -> bool {
    let windows = plan.windows();
    let warmup = Instant::START.plus(plan.phases().warmup);
    let run: Vec<Bin> = whole_bins(&evidence.bins, windows).iter().copied().filter(|bin| bin.from >= warmup).collect();
    let mean = |bins: &[Bin]| bins.iter().map(Bin::goodput).sum::<f64>() / bins.len().max(1) as f64;
    !run.is_empty()
        && mean(&run) >= MIN_BASELINE
        && mean(evidence.last_bins(windows)) >= MIN_BASELINE
        && run.iter().all(|bin| bin.goodput() >= HEALTHY)
        && !backlog_grows(&evidence.backlog, plan.load().rate)
}

/// The backlog shrinks with 95 % confidence, by more than random variation, and would be empty within 10 H.
fn detect_draining(plan: &ExperimentPlan, evidence: &Evidence) -> Option<Verdict> {
    let trend = evidence.backlog_trend.filter(|trend| trend.high < 0.0)?;
    if !backlog_drops(&evidence.backlog, trend) {
        return None;
    }
    let seconds = evidence.backlog_at_end() / -trend.slope;
    let limit = plan.phases().observe.times(10).as_secs_f64();
    (seconds <= limit).then(|| Verdict::Draining {
        per_second: -trend.slope,
        empty_at: evidence.end.plus(Time((seconds * 1e9) as u64)),
    })
}

fn median_goodput(bins: &[Bin]) -> Option<f64> {
    median(&bins.iter().map(Bin::goodput).collect::<Vec<_>>())
}

/// Bins are aligned to the fault: backward from its command, forward from its effect and from its removal. What is due
/// between command and effect is in bins of its own, which belong to no window. Without a fault, bins are aligned to the
/// end of the warm-up.
pub fn lay_out_bins(timeline: &Timeline, windows: VerdictWindows, warmup: Time) -> BinLayout {
    match (timeline.baseline_end(), timeline.t0()) {
        (None, _) => BinLayout::new(windows.bin, [Instant::START.plus(warmup)]),
        (end, t0) => BinLayout::new(windows.bin, end.into_iter().chain(t0).chain(timeline.t1())),
    }
}

/// The planned end, or right after the last due time if the load stopped earlier.
fn find_end_of_arrivals(plan: &ExperimentPlan, cohorts: &Cohorts) -> Instant {
    let planned = Instant::START.plus(plan.phases().duration);
    let last = cohorts.due().filter(|&due| due < planned).max().map_or(Instant::START, |due| due.plus(Time(1)));
    // Twenty mean gaps without an arrival do not happen by chance.
    let gaps = Time((20e9 / plan.load().rate) as u64);
    if planned.since(last) <= gaps { planned } else { last }
}
