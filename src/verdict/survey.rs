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
use crate::record::parquet::GroupSummary;
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

    /// Whether it uses this column of a record.
    pub fn uses(column: &str) -> bool {
        matches!(column, "last" | "due_ns" | "end_ns" | "status" | "outcome")
    }

    /// Adds the records of a row group, if the summary says enough of them. Otherwise nothing is added, and the result is
    /// false.
    pub fn add_summary(&mut self, group: &GroupSummary) -> bool {
        let planned = Instant::START.plus(self.plan.phases().duration);
        let reaches = |(from, to): (Instant, Instant)| group.first_due < to && group.last_due >= from;
        let is_divided = group.first_due < planned && group.last_due >= planned;
        if !group.all_are_last || is_divided || self.windows.into_iter().any(reaches) {
            return false;
        }
        self.last_end = self.last_end.max(group.last_end);
        if group.last_due < planned {
            self.after_last_due = self.after_last_due.max(group.last_due.plus(Time(1)));
        }
        true
    }

    /// Adds the records of another survey of the same run.
    pub fn merge(&mut self, other: Survey<'_>) {
        self.cohorts.merge(other.cohorts);
        self.after_last_due = self.after_last_due.max(other.after_last_due);
        self.last_end = self.last_end.max(other.last_end);
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
            // A load has no more threads than that.
            threads: u16::try_from(plan.load().threads * timeline.generator.generators()).unwrap_or(u16::MAX),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::builder::{Run, S};
    use super::*;
    use crate::record::Outcome;

    /// Due in the second `second`, and answered after `took` ns. Half of the unknown outcomes are failures.
    fn record(second: u64, took: Option<u64>, status: u16, is_last: bool) -> RequestRecord {
        let mut record = RequestRecord::planned(0, Instant(second * S / 4), 0);
        record.end = took.map_or(Instant::NEVER, |took| record.due.plus(Time(took)));
        record.status = status;
        record.set_outcome(if took.is_some() { Outcome::Answered } else { Outcome::Unanswered });
        record.set_last(is_last);
        record
    }

    fn summary(records: &[RequestRecord]) -> Option<GroupSummary> {
        let due = || records.iter().map(|record| record.due);
        Some(GroupSummary {
            first_due: due().min()?,
            last_due: due().max()?,
            last_end: records.iter().filter_map(|record| record.end.known()).max()?,
            all_are_last: records.iter().all(RequestRecord::is_last),
        })
    }

    proptest! {
        #[test]
        fn a_summary_adds_what_its_records_would(
            seconds in prop::collection::vec(0u64..700, 1..200),
            took in prop::option::weighted(0.95, 0u64..3 * S),
            are_last in prop::bool::weighted(0.8),
            group in 1usize..9,
            at in any::<prop::sample::Index>(),
        ) {
            let mut seconds = seconds;
            seconds.sort_unstable();
            let status = |second: &u64| if second.is_multiple_of(7) { 500 } else { 200 };
            let mut records: Vec<_> =
                seconds.iter().map(|second| record(*second, Some(S / 100), status(second), true)).collect();
            let at = at.index(records.len());
            records[at] = record(seconds[at], took, 200, are_last);
            for run in [Run::new(), Run::without_fault()] {
                let new = || Survey::new(&run.plan, &run.events);
                let (mut whole, mut parts) = (new(), [new(), new()]);
                whole.add(&records);
                for (number, group) in records.chunks(group).enumerate() {
                    let part = &mut parts[number % 2];
                    if !summary(group).is_some_and(|summary| part.add_summary(&summary)) {
                        part.add(group);
                    }
                }
                let [mut merged, other] = parts;
                merged.merge(other);
                prop_assert_eq!(merged.frame(Instant::START), whole.frame(Instant::START));
            }
        }
    }

    #[test]
    fn groups_out_of_the_windows_need_not_be_read() {
        let run = Run::new();
        let mut survey = Survey::new(&run.plan, &run.events);
        let of = |seconds: [u64; 2]| summary(&seconds.map(|second| record(second * 4, Some(1), 200, true))).unwrap();
        let added =
            [[0, 4], [4, 6], [14, 16], [100, 140], [140, 142], [141, 150]].map(|due| survey.add_summary(&of(due)));
        assert_eq!(added, [true, false, false, true, false, true]);
    }
}
