use std::collections::BTreeMap;

use super::MAX_COUNT;
use super::frame::Frame;
use crate::record::{Account, Latencies, Outcome, RequestRecord};
use crate::units::Instant;

/// The sums over a run. Histograms exclude the warm-up; counts include it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Attempts, and requests that were never sent: one record each.
    pub records: u64,
    pub account: Account,
    /// The answers of each status.
    pub statuses: BTreeMap<u16, u64>,
    pub latencies: Latencies,
    /// Requests that were sent before the end of arrivals, and those whose connection was refused.
    pub sent: u64,
    /// Answers that arrived before the end of arrivals: wrk's count of requests.
    pub answered_in_time: u64,
    /// Bytes of these answers.
    pub bytes_in_time: u64,
}

impl Totals {
    pub fn add(&mut self, record: &RequestRecord, frame: &Frame) {
        self.records += 1;
        self.account.add(record);
        if record.due >= frame.warmup_end {
            self.latencies.add(record);
        }
        let in_time = |at: Instant| at.known().is_some_and(|at| at <= frame.arrivals_end);
        let refused = record.outcome() == Some(Outcome::ConnectError);
        self.sent += u64::from(record.is_last() && (record.attempt > 0 || refused || in_time(record.sent)));
        if record.outcome() == Some(Outcome::Answered) {
            *self.statuses.entry(record.status).or_default() += 1;
            if in_time(record.end) {
                self.answered_in_time += 1;
                self.bytes_in_time = self.bytes_in_time.saturating_add(record.bytes);
            }
        }
    }

    pub fn merge(&mut self, other: &Totals) {
        self.records += other.records;
        self.account.merge(&other.account);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.latencies.merge(&other.latencies);
        self.sent += other.sent;
        self.answered_in_time += other.answered_in_time;
        self.bytes_in_time = self.bytes_in_time.saturating_add(other.bytes_in_time);
    }

    /// Whether the counts can be those of a run.
    pub(super) fn is_plausible(&self) -> bool {
        let own = [self.records, self.sent, self.answered_in_time, self.latencies.lower_bounds.count()];
        self.account.is_plausible() && own.iter().chain(self.statuses.values()).all(|&count| count <= MAX_COUNT)
    }
}
