//! What a digest counts by: the first of two passes over the records of a run.

use super::baseline::backlog_steps;
use super::due_times::DueTimes;
use super::goodput::Cohorts;
use super::rules::bin_anchors;
use super::timeline::Timeline;
use super::validity::MAX_SEND_LAG;
use crate::plan::ExperimentPlan;
use crate::record::digest::{BacklogSteps, Frame, JudgedFrame};
use crate::record::event::RunEnd;
use crate::record::{Event, RequestRecord};
use crate::units::{Instant, Time};

/// What must be known of all records before they can be counted: their last instants, and the requests of the windows that
/// the SLO and the baseline come from.
#[derive(Clone, Debug)]
pub struct Survey<'a> {
    plan: &'a ExperimentPlan,
    timeline: Timeline,
    /// The baseline, and the window that the SLO comes from without one.
    windows: [(Instant, Instant); 2],
    /// The requests that were due in the windows.
    cohorts: Cohorts,
    /// Right after the last due time before the planned end of arrivals.
    after_last_due: Instant,
    /// The last end of an attempt.
    last_end: Instant,
}

impl<'a> Survey<'a> {
    /// The survey of a run of `plan` with these events, so far without records.
    pub fn new(plan: &'a ExperimentPlan, events: &[Event]) -> Survey<'a> {
        let timeline = Timeline::of(events, plan.faults().len());
        let warmup_end = Instant::START.plus(plan.phases().warmup);
        let longest = plan.windows().max_baseline;
        let baseline = timeline.baseline_end().map(|until| (until.minus(longest), until));
        let first = (warmup_end, warmup_end.plus(longest));
        Survey {
            plan,
            timeline,
            windows: [baseline.unwrap_or(first), first],
            cohorts: Cohorts::default(),
            after_last_due: Instant::START,
            last_end: Instant::START,
        }
    }

    /// Adds records, in any order.
    pub fn add(&mut self, records: &[RequestRecord]) {
        let planned = Instant::START.plus(self.plan.phases().duration);
        for record in records {
            if let Some(end) = record.end.known() {
                self.last_end = self.last_end.max(end);
            }
            if !record.is_last() {
                continue;
            }
            if record.due < planned {
                self.after_last_due = self.after_last_due.max(record.due.plus(Time(1)));
            }
            if self.windows.iter().any(|&(from, to)| record.due >= from && record.due < to) {
                self.cohorts.add(std::slice::from_ref(record));
            }
        }
    }

    /// The frame of the digest. `others_end` is the last instant of anything but records that its time axis shows.
    pub fn frame(&self, others_end: Instant) -> Frame {
        let (plan, timeline) = (self.plan, &self.timeline);
        let (windows, warmup) = (plan.windows(), plan.phases().warmup);
        let warmup_end = Instant::START.plus(warmup);
        let arrivals_end = find_end_of_arrivals(plan, self.after_last_due);
        let needed = match timeline.ended_by_baseline() {
            Some(_) => windows.for_live_baseline(),
            None => windows,
        };
        let due = || self.cohorts.due();
        let judged = timeline.baseline_end();
        let baseline = judged.and_then(|until| self.cohorts.baseline(needed, warmup, until, plan.slo(), due()));
        let slo = baseline.map(|baseline| baseline.slo).or(plan.slo()).unwrap_or_else(|| {
            self.cohorts.default_slo(warmup_end, warmup_end.plus(windows.max_baseline).min(arrivals_end))
        });
        let steps = windows.last.min(arrivals_end.since(warmup_end)).0 / windows.bin.0;
        let planned_end = Instant::START.plus(plan.phases().duration);
        // Only a fault, or the end of its observation, ends arrivals before the planned end of a complete run.
        let is_whole = plan.faults().is_empty() && matches!(timeline.ending, Some((RunEnd::Complete, _)));
        Frame {
            warmup_end,
            arrivals_end,
            axis_end: find_end_of_axis(arrivals_end, self.last_end.max(others_end)),
            // A load plan has no more threads than that.
            threads: u16::try_from(plan.load().threads).unwrap_or(u16::MAX),
            slo: Some(slo),
            judged: Some(JudgedFrame {
                planned_end,
                planned_requests: DueTimes::count(plan, if is_whole { planned_end } else { arrivals_end }),
                bin: windows.bin,
                anchors: bin_anchors(timeline, warmup),
                baseline,
                failures: baseline.map_or((warmup_end, arrivals_end), |baseline| (baseline.from, baseline.to)),
                baseline_backlog: match baseline {
                    Some(baseline) => backlog_steps(baseline, windows),
                    None => BacklogSteps { from: Instant::START, step: windows.bin, count: 0 },
                },
                last_backlog: BacklogSteps {
                    from: arrivals_end.minus(windows.bin.times(steps)),
                    step: windows.bin,
                    count: u32::try_from(steps).unwrap_or(u32::MAX),
                },
                max_send_lag: MAX_SEND_LAG,
            }),
        }
    }
}

/// The planned end, or right after the last due time if the load stopped earlier.
fn find_end_of_arrivals(plan: &ExperimentPlan, after_last_due: Instant) -> Instant {
    let planned = Instant::START.plus(plan.phases().duration);
    // Twenty mean gaps without an arrival do not happen by chance.
    let rate = plan.rate().at(after_last_due.minus(Time(1)));
    let gaps = Time((20e9 / rate) as u64);
    if planned.since(after_last_due) <= gaps { planned } else { after_last_due }
}

/// An experiment has at most a day of arrivals, and any run at most a day of draining. A later instant comes from a damaged
/// record.
const LATEST: Instant = Instant(48 * 3600 * 1_000_000_000);

/// The end of every time axis, which has at least one second.
fn find_end_of_axis(arrivals_end: Instant, last: Instant) -> Instant {
    last.max(arrivals_end).max(Instant(1_000_000_000)).min(LATEST.max(arrivals_end))
}
