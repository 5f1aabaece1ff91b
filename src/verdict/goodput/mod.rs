//! Cohort goodput: of the requests that were *due* in a bin, the share that was answered well and within the SLO.
//!
//! Requests are grouped by due time, so that later catching up cannot improve a bad second. The same code serves the run
//! in progress and the report after it: [`Cohorts`] takes records in any order, and bins are counted again whenever the
//! instants that they are aligned to become known.

use crate::plan::{MAX_SLO, MIN_SLO};
use crate::record::RequestRecord;
use crate::record::digest::{Backlog, BacklogSteps};
use crate::stats::percentile;
use crate::units::{Instant, Time};

pub use super::bins::{Bin, BinLayout};
pub use crate::record::digest::Baseline;

/// The outcomes of all requests so far, 16 bytes each.
#[derive(Clone, Debug, Default)]
pub struct Cohorts {
    requests: Vec<CohortRequest>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CohortRequest {
    pub(super) due: Instant,
    /// When the request ended, in ns; the highest bit marks a success. [`NOT_ENDED`] if it was in flight at the end of
    /// the run.
    end: u64,
}

const SUCCESS: u64 = 1 << 63;
const NOT_ENDED: u64 = SUCCESS - 1;
/// Longer than any SLO.
const ENDLESS: Time = Time(u64::MAX);

impl CohortRequest {
    pub(super) fn end(self) -> Instant {
        Instant(self.end & !SUCCESS)
    }

    /// How long a success took; [`ENDLESS`] for all other outcomes.
    pub(super) fn success_after(self) -> Time {
        if self.end & SUCCESS != 0 { self.end().since(self.due) } else { ENDLESS }
    }
}

impl Cohorts {
    /// Adds records, in any order. Only the last attempt at a request counts.
    pub fn add(&mut self, records: &[RequestRecord]) {
        self.requests.extend(records.iter().filter(|record| record.is_last()).map(|record| {
            let end = record.decided_at().0.min(NOT_ENDED);
            let success = if record.is_success() && end != NOT_ENDED { SUCCESS } else { 0 };
            CohortRequest { due: record.due, end: end | success }
        }));
    }

    /// Adds the requests of other records.
    pub fn merge(&mut self, other: Cohorts) {
        self.requests.extend(other.requests);
    }

    /// The due time of each request. After a run these are all that were scheduled.
    pub fn due(&self) -> impl Iterator<Item = Instant> + Clone {
        self.requests.iter().map(|request| request.due)
    }

    /// The requests that were due in `[from, to)` and have a record.
    pub(super) fn due_in(&self, from: Instant, to: Instant) -> impl Iterator<Item = &CohortRequest> {
        self.requests.iter().filter(move |request| request.due >= from && request.due < to)
    }

    /// The bins of all requests `scheduled`, up to `end`.
    pub fn bins(
        &self,
        layout: &BinLayout,
        slo: Time,
        scheduled: impl Iterator<Item = Instant>,
        end: Instant,
    ) -> Vec<Bin> {
        let good = self.requests.iter().filter(|r| r.success_after() <= slo).map(|r| r.due);
        layout.count(scheduled, good, end)
    }

    /// The backlog at each of `steps`, as points of (seconds on the run's clock, requests). Requests that are `scheduled`
    /// and have no record have not ended.
    pub fn backlog(&self, scheduled: impl Iterator<Item = Instant>, steps: BacklogSteps) -> Vec<(f64, f64)> {
        let mut backlog = Backlog::new(steps);
        scheduled.for_each(|due| backlog.enter(due));
        self.requests.iter().for_each(|request| backlog.leave(request.end()));
        backlog.points()
    }

    /// The SLO where none is set: 10 x p99 of the response times of requests due in `[from, to)`, between 1 s and 5 s.
    /// A failure counts as an endless response time.
    pub fn default_slo(&self, from: Instant, to: Instant) -> Time {
        // Still in flight at the end of the window: the fault may decide the outcome.
        let in_flight = |r: &&CohortRequest| r.end() > to && r.due.plus(MAX_SLO) > to;
        let decided = self.due_in(from, to).filter(|r| !in_flight(r));
        let mut times: Vec<Time> = decided.map(|r| r.success_after()).collect();
        percentile(&mut times, 99.0).unwrap_or(ENDLESS).times(10).clamp(MIN_SLO, MAX_SLO)
    }
}

#[cfg(test)]
mod tests;
