use serde::{Deserialize, Serialize};

use super::{Outcome, RequestRecord};
use crate::units::Instant;

/// What became of every scheduled request. Requests count by their last attempt, attempts apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub scheduled: u64,
    /// A whole response arrived, whatever its status.
    pub answered: u64,
    /// The last attempt ended without an answer.
    pub failed: u64,
    /// Sent, and open when the run ended.
    pub unanswered: u64,
    /// Due, and never sent.
    pub unsent: u64,
    /// Attempts that were made, over all requests.
    pub attempts: u64,
    /// Of attempts, so that retries count too.
    pub errors: ErrorCounts,
    /// Response bytes read, over all attempts.
    pub bytes: u64,
    /// Requests whose response time is only known to be at least so long.
    pub lower_bounds: u64,
}

/// Attempts that went wrong, by how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCounts {
    pub connect: u64,
    pub read: u64,
    pub write: u64,
    /// Outlived the client's timeout, waited on or not.
    pub timeout: u64,
    /// Answered with a status above 399.
    pub status: u64,
}

impl ErrorCounts {
    /// Whether a socket error was seen: what wrk prints `Socket errors:` for. A bad status is none.
    pub fn any_socket(&self) -> bool {
        self.connect + self.read + self.write + self.timeout > 0
    }
}

impl Account {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a RequestRecord>) -> Account {
        let mut account = Account::default();
        records.into_iter().for_each(|r| account.add(r));
        account
    }

    /// Counts one attempt. A row without an outcome (a damaged file) counts as failed.
    pub fn add(&mut self, record: &RequestRecord) {
        let outcome = record.outcome();
        // A damaged row may say any number.
        self.bytes = self.bytes.saturating_add(record.bytes);
        // A retry that was still waiting for its turn when the run ended was never made.
        let waiting = outcome == Some(Outcome::Unanswered) && record.sent == Instant::NEVER;
        self.attempts += u64::from(outcome != Some(Outcome::Unsent) && !waiting);
        match outcome {
            Some(Outcome::Answered) => self.errors.status += u64::from(record.status > 399),
            Some(Outcome::ConnectError) => self.errors.connect += 1,
            Some(Outcome::WriteError) => self.errors.write += 1,
            Some(Outcome::ReadError) | None => self.errors.read += 1,
            Some(Outcome::Abandoned | Outcome::Unanswered | Outcome::Unsent) => {}
        }
        self.errors.timeout += u64::from(record.timed_out() || outcome == Some(Outcome::Abandoned));
        if record.is_last() {
            self.scheduled += 1;
            self.lower_bounds += u64::from(record.is_lower_bound());
            match outcome {
                Some(Outcome::Answered) => self.answered += 1,
                Some(Outcome::Unanswered) => self.unanswered += 1,
                Some(Outcome::Unsent) => self.unsent += 1,
                _ => self.failed += 1,
            }
        }
    }

    /// The first law of a run: scheduled = answered + failed + unanswered + unsent.
    pub fn balances(&self) -> bool {
        self.scheduled == self.answered + self.failed + self.unanswered + self.unsent
    }

    /// Adds what another thread, or another generator, counted.
    pub fn merge(&mut self, other: &Account) {
        self.scheduled += other.scheduled;
        self.answered += other.answered;
        self.failed += other.failed;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.attempts += other.attempts;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.lower_bounds += other.lower_bounds;
        self.errors.connect += other.errors.connect;
        self.errors.read += other.errors.read;
        self.errors.write += other.errors.write;
        self.errors.timeout += other.errors.timeout;
        self.errors.status += other.errors.status;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(outcome: Outcome, last: bool, status: u16) -> RequestRecord {
        let mut r = RequestRecord::planned(0, Instant::START, 0);
        r.set_outcome(outcome);
        r.set_last(last);
        r.status = status;
        r.bytes = 10;
        if outcome != Outcome::Unsent {
            r.sent = Instant(1);
        }
        r
    }

    #[test]
    fn every_outcome_has_its_place_and_the_sum_is_exact() {
        let records: Vec<_> = Outcome::ALL.iter().map(|&o| record(o, true, 0)).collect();
        let a = Account::of(&records);
        assert_eq!((a.scheduled, a.answered, a.failed, a.unanswered, a.unsent), (7, 1, 4, 1, 1));
        assert!(a.balances());
        assert_eq!((a.attempts, a.lower_bounds, a.bytes), (6, 3, 70));
        assert_eq!(a.errors, ErrorCounts { connect: 1, read: 1, write: 1, timeout: 1, status: 0 });
    }

    #[test]
    fn a_retried_request_is_one_request_and_its_attempts_are_counted_apart() {
        let a = Account::of(&[
            record(Outcome::Answered, false, 503),
            record(Outcome::Abandoned, false, 0),
            record(Outcome::Answered, true, 200),
        ]);
        assert_eq!((a.scheduled, a.answered, a.failed, a.attempts), (1, 1, 0, 3));
        assert_eq!((a.errors.status, a.errors.timeout, a.lower_bounds), (1, 1, 0));
    }

    #[test]
    fn a_retry_that_waited_when_the_run_ended_is_no_attempt() {
        let sent = record(Outcome::Unanswered, true, 0);
        assert_eq!(Account::of(&[sent]).attempts, 1);
        let waited = RequestRecord { sent: Instant::NEVER, ..sent };
        assert_eq!((Account::of(&[waited]).attempts, Account::of(&[waited]).unanswered), (0, 1));
    }

    #[test]
    fn accounts_add_up() {
        let all: Vec<_> = Outcome::ALL.iter().map(|&o| record(o, true, 0)).collect();
        let mut sum = Account::of(&all[..3]);
        sum.merge(&Account::of(&all[3..]));
        assert_eq!(sum, Account::of(&all));
        assert!(Account::default().balances());
    }
}
