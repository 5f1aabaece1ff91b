//! What a run showed. A pure function of plan, records and events: no clock, no I/O.
//!
//! The rules, first match wins:
//!
//! | verdict | when |
//! |---|---|
//! | INVALID | the run can't tell: see [`Reason`] |
//! | STABLE, OVERLOADED | no fault in the plan: healthy to the end, or not |
//! | UNAFFECTED | goodput never fell below 0.9 g0 |
//! | RECOVERED | within H of the fault's removal 10 s at 0.9 g0 or better, and no bin below 0.5 g0 in the 30 s after |
//! | OSCILLATING | goodput went between 0.5 g0 and 0.9 g0 three times or more |
//! | DRAINING | the backlog shrinks, and would be gone within 10 H |
//! | METASTABLE | the median goodput of the last 30 s is 0.5 g0 or less |
//! | DEGRADED | anything else |

pub mod goodput;
mod live;
mod recovery;
pub mod timeline;
mod trend;
mod validity;
mod words;

use crate::plan::{ExperimentPlan, Windows};
use crate::record::{Event, RequestRecord};
use crate::stats::median;
use crate::verdict::goodput::{Baseline, Bin, Cohorts, Layout};
use crate::verdict::timeline::Timeline;
use crate::verdict::trend::Trend;

pub use live::{LiveJudgement, live, observation_is_over};
pub use recovery::Recovery;
use recovery::{Search, search};
pub use validity::Reason;
pub use words::VerdictText;

/// Goodput of this share of the baseline's is back to normal.
const HEALTHY: f64 = 0.9;
/// Goodput of no more than this share is broken.
const BROKEN: f64 = 0.5;
/// The least goodput of a baseline, and of a run that nothing disturbs.
const SOUND: f64 = 0.99;

/// What a run showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It can't tell; never empty.
    Invalid(Vec<Reason>),
    Stable,
    Overloaded,
    Unaffected,
    Recovered(Recovery),
    Oscillating {
        swings: usize,
    },
    /// The backlog shrinks by so many requests per second, and would be gone at `empty_at` (ns on the run's clock).
    Draining {
        per_second: f64,
        empty_at: u64,
    },
    Metastable,
    Degraded,
}

impl Verdict {
    /// `RECOVERED`; an INVALID one says why in a word.
    pub fn name(&self) -> String {
        match self {
            Verdict::Invalid(reasons) => match reasons.first() {
                Some(reason) => format!("INVALID: {}", reason.short()),
                None => "INVALID".to_owned(),
            },
            Verdict::Stable => "STABLE".to_owned(),
            Verdict::Overloaded => "OVERLOADED".to_owned(),
            Verdict::Unaffected => "UNAFFECTED".to_owned(),
            Verdict::Recovered(_) => "RECOVERED".to_owned(),
            Verdict::Oscillating { .. } => "OSCILLATING".to_owned(),
            Verdict::Draining { .. } => "DRAINING".to_owned(),
            Verdict::Metastable => "METASTABLE".to_owned(),
            Verdict::Degraded => "DEGRADED".to_owned(),
        }
    }

    /// With `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Verdict::Stable | Verdict::Unaffected | Verdict::Recovered(_) => 0,
            Verdict::Metastable => 10,
            Verdict::Draining { .. } => 11,
            Verdict::Degraded => 12,
            Verdict::Oscillating { .. } => 13,
            Verdict::Overloaded => 14,
            Verdict::Invalid(_) => 20,
        }
    }
}

/// A verdict, and the figures behind it. Instants are ns on the run's clock.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    pub timeline: Timeline,
    pub baseline: Option<Baseline>,
    /// A response time up to this is good.
    pub slo: u64,
    /// The end of arrivals, planned or not.
    pub end: u64,
    /// All of the run.
    pub bins: Vec<Bin>,
    /// Median goodput of the last window.
    pub last_goodput: Option<f64>,
    /// Requests scheduled but not resolved, over the last window: requests per second.
    pub backlog: Option<Trend>,
    /// Unresolved at the end of arrivals.
    pub backlog_at_end: f64,
}

/// What a run of `plan` that left `records` and `events` showed.
pub fn judge(plan: &ExperimentPlan, records: &[RequestRecord], events: &[Event]) -> Judgement {
    let timeline = Timeline::of(events, plan.fault.len());
    let mut cohorts = Cohorts::default();
    cohorts.add(records);
    let windows = plan.windows();
    let warmup = plan.phases.warmup.0;
    let end = end_of_arrivals(plan, &cohorts);
    let baseline = timeline.t0().and_then(|t0| cohorts.baseline(windows, warmup, t0, plan.verdict.slo, cohorts.due()));
    let undisturbed = || cohorts.usual_slo(warmup, warmup.saturating_add(windows.most_baseline.0).min(end));
    let slo = match (baseline, plan.verdict.slo) {
        (Some(baseline), _) => baseline.slo,
        (None, Some(slo)) => slo.0,
        (None, None) => undisturbed(),
    };
    let bins = cohorts.bins(layout(&timeline, windows, warmup), slo, cohorts.due(), end);
    let steps = (windows.last.0 / windows.bin.0) as usize;
    let backlog = cohorts.backlog(end.saturating_sub(steps as u64 * windows.bin.0), windows.bin.0, steps);
    let mut judgement = Judgement {
        verdict: Verdict::Degraded,
        baseline,
        slo,
        end,
        last_goodput: None,
        backlog: Trend::through(&backlog),
        backlog_at_end: backlog.last().map_or(0.0, |&(_, backlog)| backlog),
        bins,
        timeline,
    };
    judgement.last_goodput = median_goodput(judgement.last_bins(windows));
    judgement.verdict = verdict(plan, records, &cohorts, &judgement, &backlog);
    judgement
}

/// The rules, in their order.
fn verdict(
    plan: &ExperimentPlan,
    records: &[RequestRecord],
    cohorts: &Cohorts,
    seen: &Judgement,
    backlog: &[(f64, f64)],
) -> Verdict {
    let reasons = validity::reasons(plan, records, cohorts, seen);
    if !reasons.is_empty() {
        return Verdict::Invalid(reasons);
    }
    let (Some(baseline), Some(t0), Some(t1)) = (seen.baseline, seen.timeline.t0(), seen.timeline.t1()) else {
        return if healthy_throughout(plan, seen, backlog) { Verdict::Stable } else { Verdict::Overloaded };
    };
    let g0 = baseline.goodput;
    let whole = whole_bins(&seen.bins, plan.windows());
    if whole.iter().filter(|bin| bin.from >= t0).all(|bin| bin.goodput() >= HEALTHY * g0) {
        return Verdict::Unaffected;
    }
    let after: Vec<Bin> = whole.iter().copied().filter(|bin| bin.from >= t1).collect();
    if let Search::Recovered { at, watched, .. } =
        search(&after, g0, plan.windows(), t1.saturating_add(plan.observe().0))
    {
        return Verdict::Recovered(Recovery::new(&seen.bins, g0, t0, t1, at, watched));
    }
    // Whether it would have recovered in time, a load cut short before H can't tell.
    if let Some(reason) = validity::short_observation(plan, seen, plan.observe().0) {
        return Verdict::Invalid(vec![reason]);
    }
    let swings = recovery::swings(&after, g0);
    if swings >= 3 {
        return Verdict::Oscillating { swings };
    }
    if let Some(draining) = draining(plan, seen, backlog) {
        return draining;
    }
    match seen.last_goodput {
        Some(goodput) if goodput <= BROKEN * g0 => Verdict::Metastable,
        _ => Verdict::Degraded,
    }
}

/// Without a fault: 99 % goodput over the run and over its last window, no bin of it below 90 %, and no growing backlog.
fn healthy_throughout(plan: &ExperimentPlan, seen: &Judgement, backlog: &[(f64, f64)]) -> bool {
    let windows = plan.windows();
    let whole = whole_bins(&seen.bins, windows);
    let run: Vec<Bin> = whole.into_iter().filter(|bin| bin.from >= plan.phases.warmup.0).collect();
    let mean = |bins: &[Bin]| bins.iter().map(Bin::goodput).sum::<f64>() / bins.len().max(1) as f64;
    let last = seen.last_bins(windows);
    let sound = !run.is_empty() && mean(&run) >= SOUND && mean(&last) >= SOUND;
    sound && run.iter().all(|bin| bin.goodput() >= HEALTHY) && !rises(backlog, plan.load.rate)
}

/// The backlog shrinks with 95 % confidence, by more than chance moves it, and would be gone within 10 H.
fn draining(plan: &ExperimentPlan, seen: &Judgement, backlog: &[(f64, f64)]) -> Option<Verdict> {
    let trend = seen.backlog.filter(|trend| trend.high < 0.0)?;
    let (span, mean) = span_and_mean(backlog)?;
    // A system that fails fast has next to no backlog, and what it has wavers: that is no draining.
    if -trend.slope * span < 2.0 * mean.sqrt() + 3.0 {
        return None;
    }
    let seconds = seen.backlog_at_end / -trend.slope;
    let within = plan.observe().times(10).as_secs_f64();
    (seconds <= within).then(|| Verdict::Draining {
        per_second: -trend.slope,
        empty_at: seen.end.saturating_add((seconds * 1e9) as u64),
    })
}

/// Whether a backlog grows for a cause: surely (the lower 95 % bound of its slope is above 0), by at least 2 % of the
/// load, and by four times what a Poisson backlog of its size wavers anyway (a standard deviation is its root).
fn rises(backlog: &[(f64, f64)], rate: f64) -> bool {
    let (Some(trend), Some((span, mean))) = (Trend::through(backlog), span_and_mean(backlog)) else { return false };
    trend.low > 0.0 && trend.slope * span >= (0.02 * rate * span).max(4.0 * mean.sqrt() + 5.0)
}

fn span_and_mean(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (first, last) = (points.first()?, points.last()?);
    Some((last.0 - first.0, points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64))
}

impl Judgement {
    /// The whole bins that make up the last window of arrivals.
    fn last_bins(&self, windows: Windows) -> Vec<Bin> {
        let whole = whole_bins(&self.bins, windows);
        let count = windows.last.0.div_ceil(windows.bin.0) as usize;
        whole[whole.len().saturating_sub(count)..].to_vec()
    }
}

/// Bins cut short by the end of arrivals (or by the start of load) hold too few requests to judge by.
/// A bin of the fault is never left out, however short the fault.
fn whole_bins(bins: &[Bin], windows: Windows) -> Vec<Bin> {
    let cut = bins.last().filter(|bin| bin.to - bin.from < windows.bin.0).is_some();
    bins[..bins.len() - usize::from(cut)].to_vec()
}

fn median_goodput(bins: Vec<Bin>) -> Option<f64> {
    let goodput: Vec<f64> = bins.iter().map(Bin::goodput).collect();
    median(&goodput)
}

/// Bins are aligned to the fault; without one, to the end of the warm-up.
fn layout(timeline: &Timeline, windows: Windows, warmup: u64) -> Layout {
    let width = windows.bin.0;
    match timeline.t0() {
        Some(t0) => Layout { width, t0, t1: timeline.t1() },
        None => Layout { width, t0: warmup, t1: Some(warmup) },
    }
}

/// The planned end, or where the last request was due if the run stopped before.
fn end_of_arrivals(plan: &ExperimentPlan, cohorts: &Cohorts) -> u64 {
    let planned = plan.duration().0;
    let last = cohorts.due().filter(|&due| due < planned).max().map_or(0, |due| due + 1);
    // Twenty mean gaps without an arrival are no chance.
    let gaps = (20e9 / plan.load.rate) as u64;
    if planned - last <= gaps { planned } else { last }
}

#[cfg(test)]
pub(crate) mod tests;
