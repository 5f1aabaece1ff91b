use super::goodput::{Baseline, Cohorts, Schedule, final_at};
use super::recovery::{Search, search};
use super::timeline::Timeline;
use super::{layout, whole_bins};
use crate::plan::ExperimentPlan;
use crate::record::Event;
use crate::verdict::goodput::Bin;

/// What can be said of a run while it goes on.
#[derive(Clone, Debug)]
pub struct LiveJudgement {
    pub timeline: Timeline,
    /// Once the fault took effect.
    pub baseline: Option<Baseline>,
    /// A response time up to this is good, as far as is known yet, in ns.
    pub slo: u64,
    /// Bins that nothing can change any more.
    pub bins: Vec<Bin>,
}

/// A run of `plan` at `now`, seen with the verdict's own eyes: for its progress line and for [`observation_is_over`].
///
/// `cohorts` must hold all that had ended by `now` (less the records' way through the writer), `schedule` be the plan's
/// ([`Schedule::of`]).
pub fn live(
    plan: &ExperimentPlan,
    cohorts: &Cohorts,
    schedule: &mut Schedule,
    events: &[Event],
    now: u64,
) -> LiveJudgement {
    let timeline = Timeline::of(events, plan.fault.len());
    let (windows, warmup) = (plan.windows(), plan.phases.warmup.0);
    let end = now.min(plan.duration().0);
    let due = schedule.until(end).iter().copied();
    let baseline = timeline.t0().and_then(|t0| cohorts.baseline(windows, warmup, t0, plan.verdict.slo, due.clone()));
    let slo = match (baseline, plan.verdict.slo) {
        (Some(baseline), _) => baseline.slo,
        (None, Some(slo)) => slo.0,
        (None, None) => cohorts.usual_slo(warmup, end),
    };
    let bins = cohorts.bins(layout(&timeline, windows, warmup), slo, due, end);
    LiveJudgement { timeline, baseline, slo, bins: final_at(bins, slo, now) }
}

/// Whether nothing more can be learned, so that a run may stop its load: the system recovered and was watched, or it did
/// not begin to within H, or the fault could not be applied. The same bins as the verdict's decide.
pub fn observation_is_over(plan: &ExperimentPlan, live: &LiveJudgement, now: u64) -> bool {
    if live.timeline.faults.iter().any(|fault| fault.failure.is_some() && fault.effective.is_none()) {
        return true;
    }
    let Some(t1) = live.timeline.t1() else { return false };
    let last_chance = t1.saturating_add(plan.observe().0);
    let Some(baseline) = live.baseline else { return now >= last_chance };
    let after: Vec<Bin> = whole_bins(&live.bins, plan.windows()).into_iter().filter(|bin| bin.from >= t1).collect();
    match search(&after, baseline.goodput, plan.windows(), last_chance) {
        Search::Recovered { complete, .. } => complete,
        Search::Promising => false,
        Search::Broken => now >= last_chance.saturating_add(baseline.slo),
    }
}
