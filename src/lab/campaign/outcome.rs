//! What one run of a campaign showed.

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use crate::lab::statistics::certificate::SystemIdentity;
use crate::lab::statistics::wilson::Proportion;
use crate::plan::ExperimentPlan;
use crate::report::interval_counts::IntervalCounts;
use crate::report::summary::Summary;
use crate::units::{Instant, Time};
use crate::verdict::goodput::Bin;
use crate::verdict::{HEALTHY, Verdict, VerdictText};

/// The version of [`RunRecord`].
pub const SCHEMA: u32 = 1;

/// `cell.json`: what a run's own results do not say. It is written last, so a folder that has it is complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub schema: u32,
    /// The number of the run in the campaign, from 1.
    pub run: u32,
    pub cell: Cell,
    pub system: SystemUse,
    /// How long no load was sent before the run.
    pub shed: Time,
    /// How long the run was expected to take, and how long it took with the time without load and its report.
    #[serde(default)]
    pub expected: Time,
    #[serde(default)]
    pub took: Time,
    /// The system right before and right after the run.
    pub before: SystemIdentity,
    pub after: SystemIdentity,
}

/// How a run came by its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemUse {
    /// The testbed was started for it.
    Started,
    /// The testbed of the run before was used as it was.
    Reused,
    /// The testbed of an earlier run was stopped, and another one was started.
    Restarted,
    /// The campaign does not start the system.
    External,
}

impl SystemUse {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            SystemUse::Started => "started",
            SystemUse::Reused => "reused",
            SystemUse::Restarted => "restarted",
            SystemUse::External => "external",
        }
    }
}

/// A run that has ended, and whose results are complete.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    pub record: RunRecord,
    /// The name of its results folder.
    pub folder: String,
    pub verdict: VerdictText,
    /// Wall time of the start of load.
    pub started: Option<jiff::Timestamp>,
    /// The requests of the baseline, if there was one, and how many of them were good.
    pub baseline: Option<Proportion>,
    /// Those of the last window of arrivals. `None` if no request was due.
    pub last: Option<Proportion>,
    /// Where the baseline lies, and where the last window begins.
    pub baseline_at: Option<(Instant, Instant)>,
    pub last_from: Instant,
    pub goodput: Vec<Bin>,
    pub intervals: IntervalCounts,
    /// When the faults took effect, and when the removal of the last one was verified.
    pub fault: Option<(Instant, Instant)>,
    /// The end of arrivals.
    pub end: Instant,
    pub warmup_end: Instant,
    /// Before the end of arrivals: for how long no bin after the fault was healthy.
    pub stuck_for: Time,
    /// The longest service time of an answer.
    pub longest_answer: Time,
    /// The most attempts in flight.
    pub in_flight_max: u64,
}

impl RunOutcome {
    /// The outcome of a run of the campaign of `base`.
    pub fn new(base: &ExperimentPlan, record: RunRecord, folder: String, summary: Summary) -> RunOutcome {
        let end = Instant(summary.plan.end_ns);
        let warmup_end = Instant(summary.plan.warmup_ns);
        let from = summary.faults.iter().map(|fault| fault.from).min();
        let removed: Option<Vec<Instant>> = summary.faults.iter().map(|fault| fault.to).collect();
        let fault = from.zip(removed.and_then(|all| all.into_iter().max()));
        let judged_from = fault.map_or(warmup_end, |(_, removed)| removed);
        // After a recovery, the system is observed from then on.
        let judged_from = judged_from.plus(Time(summary.verdict.tau_ns.unwrap_or(0)));
        let last_from = end.minus(base.windows_at(record.cell.rate).last).max(judged_from);
        let baseline_at = summary.plan.baseline_ns.map(|(from, to)| (Instant(from), Instant(to)));
        let g0 = summary.verdict.baseline_goodput.unwrap_or(1.0);
        let stuck_since = summary.goodput.iter().filter(|bin| bin.goodput() >= HEALTHY * g0).map(|bin| bin.to).max();
        let stuck_for = match fault {
            Some((_, removed)) => end.since(stuck_since.map_or(removed, |healthy| healthy.max(removed))),
            None => Time::ZERO,
        };
        RunOutcome {
            folder,
            started: summary.started.parse().ok(),
            baseline: baseline_at.and_then(|(from, to)| count(&summary.goodput, from, to)),
            baseline_at,
            last_from,
            last: count(&summary.goodput, last_from, end),
            goodput: summary.goodput,
            intervals: summary.intervals,
            fault,
            end,
            warmup_end,
            stuck_for,
            longest_answer: Time(summary.service.max.saturating_mul(1000)),
            in_flight_max: summary.generator.own.in_flight_max,
            verdict: summary.verdict,
            record,
        }
    }

    /// Seconds from the start of an earlier run's load to the start of this one's, by the wall clock.
    pub fn started_after(&self, earlier: &RunOutcome) -> f64 {
        let since_end = earlier.end.as_secs_f64() + self.record.shed.as_secs_f64();
        match (self.started, earlier.started) {
            // A wall clock may be set meanwhile.
            (Some(this), Some(earlier)) => this.duration_since(earlier).as_secs_f64().max(since_end),
            _ => since_end,
        }
    }

    /// How long the system was healthy, from the start of load on.
    pub fn healthy_for(&self) -> Time {
        let healthy = self.goodput.iter().take_while(|bin| bin.scheduled == 0 || bin.goodput() >= HEALTHY);
        healthy.last().map_or(Time::ZERO, |bin| bin.to.since(Instant::START))
    }

    pub fn cell(&self) -> Cell {
        self.record.cell
    }

    /// The run allows a verdict, and the system was healthy at its start. Others are repeated.
    pub fn is_valid(&self) -> bool {
        !self.verdict.is_invalid() && !self.began_unhealthy()
    }

    /// The system was not healthy before the fault, or in the health check of a run without a fault.
    pub fn began_unhealthy(&self) -> bool {
        let checked = self.cell().check_end().and_then(|end| count(&self.goodput, self.warmup_end, end));
        self.verdict.is_unhealthy_before() || checked.is_some_and(|good| good.share() < HEALTHY)
    }

    /// The system stayed broken after the fault.
    pub fn is_stuck(&self) -> bool {
        self.verdict.name == Verdict::Metastable.name()
    }

    /// The system was healthy at the end: it recovered, or the fault did not affect it.
    pub fn is_healthy(&self) -> bool {
        self.verdict.exit_code == Verdict::Unaffected.exit_code()
    }
}

/// The requests due in the bins that lie in `[from, to)`, and how many of them were good. `None` if none was due.
fn count(bins: &[Bin], from: Instant, to: Instant) -> Option<Proportion> {
    let within = bins.iter().filter(|bin| bin.from >= from && bin.to <= to);
    let (good, due) = within.fold((0, 0), |(good, due), bin| (good + bin.good, due + bin.scheduled));
    Proportion::new(good, due).ok().filter(|_| due > 0)
}
