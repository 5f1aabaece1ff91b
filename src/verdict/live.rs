use super::baseline::{backlog_steps, check_baseline};
use super::bins::{Bin, BinLayout, take_final, whole_bins};
use super::due_times::DueTimes;
use super::failures::Failures;
use super::goodput::{Baseline, Cohorts};
use super::recovery::{RecoveryState, find_recovery};
use super::rules::bin_anchors;
use super::thresholds::{BROKEN, HEALTHY};
use super::timeline::Timeline;
use super::trend::{Trend, backlog_drops};
use crate::arrivals::Profile;
use crate::plan::ExperimentPlan;
use crate::record::Event;
use crate::record::digest::BacklogSteps;
use crate::stats::median;
use crate::units::{Instant, Time};

/// What is known about a run in progress.
#[derive(Clone, Debug)]
pub struct LiveJudgement {
    pub timeline: Timeline,
    /// Known once the fault was commanded.
    pub baseline: Option<Baseline>,
    /// The longest response time of a good answer, as far as is known.
    pub slo: Time,
    /// The bins that are final.
    pub bins: Vec<Bin>,
    /// Of a plan that is judged early: the backlog over the last window, as in [`super::Evidence`].
    pub backlog: Vec<(f64, f64)>,
}

/// Judges a run of `plan` in progress, by the verdict's own rules, for its progress line and [`observation_is_over`].
///
/// `cohorts` must contain all requests that had ended by `now`, and `due_times` must be the plan's ([`DueTimes::of`]).
pub fn judge_live(
    plan: &ExperimentPlan,
    cohorts: &Cohorts,
    due_times: &mut DueTimes,
    events: &[Event],
    now: Instant,
) -> LiveJudgement {
    let timeline = Timeline::of(events, plan.faults().len());
    let (windows, warmup) = (plan.windows(), plan.phases().warmup);
    let end = now.min(Instant::START.plus(plan.phases().duration));
    let due = due_times.until(end).iter().copied();
    let baseline = timeline.tc().and_then(|tc| cohorts.baseline(windows, warmup, tc, plan.slo(), due.clone()));
    let slo = baseline.map(|baseline| baseline.slo).or(plan.slo());
    let slo = slo.unwrap_or_else(|| cohorts.default_slo(Instant::START.plus(warmup), end));
    let layout = BinLayout::new(windows.bin, bin_anchors(&timeline, warmup));
    let bins = cohorts.bins(&layout, slo, due.clone(), end);
    let backlog = match plan.early().and(timeline.t1()) {
        Some(_) => {
            let count = u32::try_from(windows.last.0 / windows.bin.0).unwrap_or(u32::MAX);
            cohorts.backlog(due, BacklogSteps { from: end.minus(windows.last), step: windows.bin, count })
        }
        None => Vec::new(),
    };
    LiveJudgement { timeline, baseline, slo, bins: take_final(bins, slo, now), backlog }
}

/// Judges the baseline right before the first fault, by what is known at `now`. Returns why the run cannot become valid, or
/// `None` if it can. The arguments are as for [`judge_live`].
pub fn explain_baseline(
    plan: &ExperimentPlan,
    cohorts: &Cohorts,
    due_times: &mut DueTimes,
    now: Instant,
) -> Option<String> {
    let due = due_times.until(now).iter().copied();
    let windows = plan.windows().for_live_baseline();
    let baseline = cohorts.baseline(windows, plan.phases().warmup, now, plan.slo(), due.clone())?;
    let backlog = cohorts.backlog(due, backlog_steps(baseline, plan.windows()));
    let reasons = check_baseline(plan, baseline, &backlog);
    let texts: Vec<String> = reasons.iter().map(|reason| reason.explain(plan, &Failures::default())).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

/// Whether the observation is complete, so that the run may stop its load: the system recovered and was watched, or it
/// did not begin to recover within H, or the fault could not be applied. A load whose rate changes and then is constant is
/// observed to its end. If the plan is judged early, a system that is
/// stuck ends the observation too. The bins are the same as the verdict's.
pub fn observation_is_over(plan: &ExperimentPlan, live: &LiveJudgement, now: Instant) -> bool {
    if live.timeline.ended_by_baseline().is_some() {
        return true;
    }
    if live.timeline.faults.iter().any(|fault| fault.failure.is_some() && fault.effective.is_none()) {
        return true;
    }
    if plan.load().profile.as_ref().is_some_and(Profile::settles) {
        // What the last rate does to the system is part of the observation.
        return false;
    }
    let Some(t1) = live.timeline.t1() else { return false };
    let deadline = t1.plus(plan.phases().observe);
    let Some(baseline) = live.baseline else { return now >= deadline };
    let whole = whole_bins(&live.bins, plan.windows());
    let after: Vec<Bin> = whole.iter().copied().filter(|bin| bin.from >= t1).collect();
    match find_recovery(&after, baseline.goodput, plan.windows(), deadline) {
        RecoveryState::Recovered { complete, .. } => complete,
        RecoveryState::Pending { .. } => false,
        RecoveryState::NotRecovered => {
            now >= deadline.plus(baseline.slo) || plan.early().is_some() && is_stuck(plan, live, &after, baseline)
        }
    }
}

/// Whether the verdict will not change if the run goes on: over the whole last window the system was not healthy in any
/// bin, its median goodput was broken, and its backlog did not drop. `after` are the bins since the fault.
///
/// Close to the rate at which a system just recovers, a backlog may drop too slowly to be seen in this window.
fn is_stuck(plan: &ExperimentPlan, live: &LiveJudgement, after: &[Bin], baseline: Baseline) -> bool {
    let windows = plan.windows();
    let count = windows.last.0.div_ceil(windows.bin.0) as usize;
    let Some(last) = after.len().checked_sub(count).map(|from| &after[from..]) else { return false };
    let goodput: Vec<f64> = last.iter().map(Bin::goodput).collect();
    let broken = median(&goodput).is_some_and(|goodput| goodput <= BROKEN * baseline.goodput);
    let drops = Trend::through(&live.backlog).is_none_or(|trend| backlog_drops(&live.backlog, trend));
    broken && goodput.iter().all(|&goodput| goodput < HEALTHY * baseline.goodput) && !drops
}
