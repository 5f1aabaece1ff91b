use super::backlog::Backlog;
use super::bins::{Bin, BinLayout};
use super::failures::Failures;
use super::frame::{Frame, JudgedFrame};
use crate::record::{Outcome, RequestRecord};
use crate::units::Time;

/// What the verdict decides by: requests by due time.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortCounts {
    layout: BinLayout,
    /// Requests that were due, and those that were answered well and in time, until the end of arrivals.
    pub bins: Vec<Bin>,
    /// The failures of requests due in [`JudgedFrame::failures`].
    pub failures: Failures,
    /// The backlog over the baseline.
    pub baseline_backlog: Backlog,
    /// The backlog over the last window of arrivals.
    pub last_backlog: Backlog,
    /// Requests due before the planned end of arrivals.
    pub recorded: u64,
    /// Those of them that could be sent, and were not.
    pub ready_unsent: u64,
    /// Attempts after the warm-up with a send lag.
    pub lags: u64,
    /// Those of them with more than the largest valid send lag.
    pub late: u64,
}

impl CohortCounts {
    pub fn new(frame: &Frame, judged: &JudgedFrame) -> CohortCounts {
        let layout = judged.layout();
        CohortCounts {
            bins: layout.empty_bins(frame.arrivals_end),
            layout,
            failures: Failures::default(),
            baseline_backlog: Backlog::new(judged.baseline_backlog),
            last_backlog: Backlog::new(judged.last_backlog),
            recorded: 0,
            ready_unsent: 0,
            lags: 0,
            late: 0,
        }
    }

    pub fn add(&mut self, record: &RequestRecord, frame: &Frame, judged: &JudgedFrame) {
        if record.due >= frame.warmup_end
            && let Some(lag) = record.send_lag()
        {
            self.lags += 1;
            self.late += u64::from(lag > judged.max_send_lag);
        }
        if !record.is_last() {
            return;
        }
        let decided = record.decided_at();
        let slo = frame.slo.unwrap_or(Time(u64::MAX));
        if record.due < frame.arrivals_end
            && let Some(bin) = self.bins.get_mut(self.layout.index(record.due) as usize)
        {
            bin.scheduled += 1;
            let is_good = record.is_success() && decided.known().is_some() && decided.since(record.due) <= slo;
            bin.good += u64::from(is_good);
        }
        for backlog in [&mut self.baseline_backlog, &mut self.last_backlog] {
            backlog.enter(record.due);
            backlog.leave(decided);
        }
        let (from, to) = judged.failures;
        if record.due >= from && record.due < to {
            self.failures.add(record, to, slo);
        }
        if record.due < judged.planned_end {
            self.recorded += 1;
            let could_be_sent = record.attempt == 0 && record.ready.known().is_some();
            self.ready_unsent += u64::from(record.outcome() == Some(Outcome::Unsent) && could_be_sent);
        }
    }

    pub fn merge(&mut self, other: &CohortCounts) {
        for (mine, other) in self.bins.iter_mut().zip(&other.bins) {
            mine.scheduled += other.scheduled;
            mine.good += other.good;
        }
        self.failures.merge(&other.failures);
        self.baseline_backlog.merge(&other.baseline_backlog);
        self.last_backlog.merge(&other.last_backlog);
        self.recorded += other.recorded;
        self.ready_unsent += other.ready_unsent;
        self.lags += other.lags;
        self.late += other.late;
    }
}
