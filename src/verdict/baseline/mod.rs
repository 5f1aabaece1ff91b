//! The baseline: the healthy system right before the fault.

use super::goodput::Cohorts;
use super::judgement::InvalidReason;
use super::thresholds::MIN_BASELINE;
use super::trend::backlog_grows;
use crate::plan::{ExperimentPlan, VerdictWindows};
use crate::record::digest::{BacklogSteps, Baseline};
use crate::units::{Instant, Time};

impl Cohorts {
    /// The baseline before `tc`: the last min(10 s, tc - warm-up), in whole bins. `None` if that is less than 5 s, or
    /// if nothing was due in it. Only what was known at `tc` counts: the fault may have decided everything later.
    pub fn baseline(
        &self,
        windows: VerdictWindows,
        warmup: Time,
        tc: Instant,
        slo: Option<Time>,
        scheduled: impl Iterator<Item = Instant>,
    ) -> Option<Baseline> {
        let available = tc.since(Instant::START.plus(warmup)).min(windows.max_baseline);
        if available < windows.min_baseline {
            return None;
        }
        let bins = available.0 / windows.bin.0;
        let from = tc.minus(windows.bin.times(bins));
        let slo = slo.unwrap_or_else(|| self.default_slo(from, tc));
        let mut sums = vec![(0.0, 0.0); bins as usize];
        for (due, goodness) in rate_requests(self.fates_at(from, tc, slo, scheduled)) {
            let (good, all) = &mut sums[(due.since(from).0 / windows.bin.0) as usize];
            *good += goodness;
            *all += 1.0;
        }
        let filled: Vec<f64> = sums.iter().filter(|(_, all)| *all > 0.0).map(|(good, all)| good / all).collect();
        let goodput = filled.iter().sum::<f64>() / filled.len() as f64;
        (!filled.is_empty()).then_some(Baseline { from, to: tc, goodput, slo })
    }

    /// What was known at `tc` of each request due in `[from, tc)`.
    fn fates_at(&self, from: Instant, tc: Instant, slo: Time, scheduled: impl Iterator<Item = Instant>) -> Vec<Fate> {
        let ended = self.due_in(from, tc).filter(|request| request.end() <= tc);
        let mut fates: Vec<Fate> = ended
            .map(|request| Fate {
                due: request.due,
                lasted: request.end().since(request.due),
                good: Some(request.success_after() <= slo),
            })
            .collect();
        let mut ended: Vec<Instant> = fates.iter().map(|fate| fate.due).collect();
        let mut due: Vec<Instant> = scheduled.filter(|&due| due >= from && due < tc).collect();
        ended.sort_unstable();
        due.sort_unstable();
        let mut ended = ended.into_iter().peekable();
        fates.extend(
            due.into_iter()
                .filter(|due| {
                    while ended.next_if(|ended| ended < due).is_some() {}
                    ended.next_if_eq(due).is_none()
                })
                .map(|due| {
                    let lasted = tc.since(due);
                    Fate { due, lasted, good: (lasted >= slo).then_some(false) }
                }),
        );
        fates
    }
}

/// What is known of a request.
#[derive(Clone, Copy, Debug)]
struct Fate {
    due: Instant,
    /// How long it took, or has been waiting.
    lasted: Time,
    /// `None` if it is still undecided: not ended, and not late yet.
    good: Option<bool>,
}

/// The due time of each request, and how far it counts as good, from 0 to 1. An undecided request counts by the share of
/// good ones among those that lasted longer than it has waited; as not good if none did.
///
/// If undecided requests were left out, a system that gets slower would look too good, because its fast answers arrive
/// first. If they counted as not good, every slow system would look unhealthy. This is the estimator of Kaplan and Meier (JASA 53, 1958), in
/// Efron's form (Fifth Berkeley Symposium, 1967): the weight of an undecided observation goes to the longer ones.
fn rate_requests(mut fates: Vec<Fate>) -> impl Iterator<Item = (Instant, f64)> {
    // Of equal times, the undecided one lasted longer.
    fates.sort_unstable_by_key(|fate| (std::cmp::Reverse(fate.lasted), fate.good.is_some(), fate.due));
    let (mut good, mut all) = (0.0, 0.0);
    fates.into_iter().map(move |fate| {
        let goodness = match fate.good {
            Some(is_good) => f64::from(u8::from(is_good)),
            None if all > 0.0 => good / all,
            None => 0.0,
        };
        good += goodness;
        all += 1.0;
        (fate.due, goodness)
    })
}

/// The steps at which the backlog of a baseline is counted.
pub fn backlog_steps(baseline: Baseline, windows: VerdictWindows) -> BacklogSteps {
    let count = baseline.to.since(baseline.from).0 / windows.bin.0;
    BacklogSteps { from: baseline.from, step: windows.bin, count: u32::try_from(count).unwrap_or(u32::MAX) }
}

/// The reasons for which no run with this baseline, and this backlog over it, can be valid.
pub fn check_baseline(plan: &ExperimentPlan, baseline: Baseline, backlog: &[(f64, f64)]) -> Vec<InvalidReason> {
    let grows = backlog_grows(backlog, plan.load().rate);
    let unhealthy = (baseline.goodput < MIN_BASELINE).then_some(InvalidReason::UnhealthyBaseline(baseline.goodput));
    unhealthy.into_iter().chain(grows.then_some(InvalidReason::OverloadedBaseline)).collect()
}

#[cfg(test)]
mod tests;
