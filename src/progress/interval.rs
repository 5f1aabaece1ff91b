//! The records of one interval, summed up.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

use crate::record::sink::RecordSink;
use crate::record::{Account, Outcome, RequestRecord};
use crate::stats::{lag_histogram, latency_histogram, record_time};
use crate::units::Time;

/// The records of one interval, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalRecords {
    pub account: Account,
    /// Requests by the outcome of their last attempt, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Answered requests by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that were answered with a status below 400, within the timeout and the SLO.
    pub good: u64,
    /// Response times of requests that ended, in us.
    pub response: Histogram<u64>,
    /// Send lag of attempts that ended, in ns.
    pub send_lag: Histogram<u64>,
}

impl Default for IntervalRecords {
    fn default() -> IntervalRecords {
        IntervalRecords {
            account: Account::default(),
            outcomes: [0; Outcome::ALL.len()],
            statuses: BTreeMap::new(),
            good: 0,
            response: latency_histogram(),
            send_lag: lag_histogram(),
        }
    }
}

impl IntervalRecords {
    /// Adds a record. A good answer takes at most `slo`, if there is one.
    pub fn add(&mut self, record: &RequestRecord, slo: Option<Time>) {
        self.account.add(record);
        if let Some(response) = record.response_sample() {
            record_time(&mut self.response, response);
        }
        if let Some(lag) = record.send_lag() {
            self.send_lag.saturating_record(lag.0);
        }
        if !record.is_last() {
            return;
        }
        // A record of a damaged file is no part of a run in progress.
        let outcome = record.outcome().unwrap_or(Outcome::ReadError);
        self.outcomes[outcome as usize] += 1;
        if outcome == Outcome::Answered {
            *self.statuses.entry(record.status).or_default() += 1;
        }
        let is_in_time = slo.is_none_or(|slo| record.response_time().is_some_and(|time| time <= slo));
        self.good += u64::from(!record.has_error() && is_in_time);
    }
}

/// The records of the current interval, shared by the recorder's thread and the one that ends the intervals.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedInterval(Arc<Mutex<CurrentInterval>>);

#[derive(Debug, Default)]
struct CurrentInterval {
    records: IntervalRecords,
    slo: Option<Time>,
}

impl SharedInterval {
    fn lock(&self) -> MutexGuard<'_, CurrentInterval> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_slo(&self, slo: Time) {
        self.lock().slo = Some(slo);
    }

    /// The records of the current interval. The next one starts without records.
    pub fn take(&self) -> IntervalRecords {
        // The new histograms are made before the lock, so that the recorder waits only for the exchange.
        let next = IntervalRecords::default();
        std::mem::replace(&mut self.lock().records, next)
    }

    pub fn sink(&self) -> ProgressSink {
        ProgressSink(self.clone())
    }
}

/// Adds every record to the current interval.
pub struct ProgressSink(SharedInterval);

impl RecordSink for ProgressSink {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let mut current = self.0.lock();
        let slo = current.slo;
        batch.iter().for_each(|record| current.records.add(record, slo));
        Ok(())
    }

    fn needs_unsent(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    fn record(outcome: Outcome, status: u16, end_ms: u64) -> RequestRecord {
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        (record.ready, record.sent) = (Instant::START, Instant(3_000));
        (record.end, record.status) = (Instant(end_ms * 1_000_000), status);
        record.set_outcome(outcome);
        record.set_last(true);
        record
    }

    #[test]
    fn each_request_is_counted_by_its_outcome_and_status() {
        let mut records = IntervalRecords::default();
        let slo = Some(Time::from_millis(10));
        let mut retried = record(Outcome::Answered, 503, 1);
        retried.set_last(false);
        let all = [
            record(Outcome::Answered, 200, 10),
            record(Outcome::Answered, 200, 11),
            record(Outcome::Answered, 503, 1),
            record(Outcome::ReadError, 0, 1),
            retried,
        ];
        all.iter().for_each(|record| records.add(record, slo));
        assert_eq!((records.good, records.outcomes), (1, [3, 0, 1, 0, 0, 0, 0]));
        assert_eq!(records.statuses.into_iter().collect::<Vec<_>>(), [(200, 2), (503, 1)]);
        assert_eq!((records.account.attempts, records.account.errors.status, records.response.len()), (5, 2, 3));
        assert_eq!((records.send_lag.len(), records.send_lag.max() / 10), (5, 300));
    }

    #[test]
    fn without_an_slo_every_answer_without_an_error_is_good() {
        let mut records = IntervalRecords::default();
        records.add(&record(Outcome::Answered, 200, 60_000), None);
        assert_eq!(records.good, 1);
    }
}
