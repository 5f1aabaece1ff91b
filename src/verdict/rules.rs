//! The rules that turn the evidence of a run into its verdict.

use super::bins::{Bin, whole_bins};
use super::judgement::{Evidence, Judgement, Verdict};
use super::recovery::{Recovery, RecoveryState, count_swings, find_recovery};
use super::thresholds::{BROKEN, HEALTHY, MIN_BASELINE};
use super::timeline::Timeline;
use super::trend::{Trend, backlog_drops, backlog_grows};
use super::validity;
use crate::plan::ExperimentPlan;
use crate::record::Event;
use crate::record::digest::Digest;
use crate::stats::median;
use crate::units::{Instant, Time};

/// Judges a run of `plan` by the digest of its records, whose frame is that of [`super::Survey`], and by its events.
pub fn judge(plan: &ExperimentPlan, digest: &Digest, events: &[Event]) -> Judgement {
    let evidence = gather_evidence(plan, digest, events);
    let verdict = decide(plan, digest, &evidence);
    Judgement { verdict, evidence }
}

fn gather_evidence(plan: &ExperimentPlan, digest: &Digest, events: &[Event]) -> Evidence {
    let frame = digest.frame();
    let cohorts = digest.cohorts.as_ref();
    let backlog = cohorts.map_or_else(Vec::new, |cohorts| cohorts.last_backlog.points());
    let mut evidence = Evidence {
        timeline: Timeline::of(events, plan.faults().len()),
        baseline: frame.judged.as_ref().and_then(|judged| judged.baseline),
        failures: cohorts.map(|cohorts| cohorts.failures.clone()).unwrap_or_default(),
        slo: frame.slo.unwrap_or_default(),
        warmup_end: frame.warmup_end,
        end: frame.arrivals_end,
        bins: cohorts.map(|cohorts| cohorts.bins.clone()).unwrap_or_default(),
        last_goodput: None,
        backlog_trend: Trend::through(&backlog),
        backlog,
    };
    evidence.last_goodput = median_goodput(evidence.last_bins(plan.windows()));
    evidence
}

/// Applies the rules in their order: the first that matches decides.
fn decide(plan: &ExperimentPlan, digest: &Digest, evidence: &Evidence) -> Verdict {
    let reasons = validity::find_reasons(plan, digest, evidence);
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
pub fn bin_anchors(timeline: &Timeline, warmup: Time) -> Vec<Instant> {
    match (timeline.baseline_end(), timeline.t0()) {
        (None, _) => vec![Instant::START.plus(warmup)],
        (end, t0) => end.into_iter().chain(t0).chain(timeline.t1()).collect(),
    }
}
