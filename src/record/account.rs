use serde::{Deserialize, Serialize};

use super::histogram::MAX_COUNT;
use super::{Outcome, RequestRecord};
use crate::units::Instant;

/// How many requests were scheduled and how they ended, by their last attempt; and counts over all attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Requests that were due.
    pub scheduled: u64,
    /// Requests with a complete response of any status.
    pub answered: u64,
    /// Requests whose last attempt ended without an answer.
    pub failed: u64,
    /// Requests that were sent, but not answered when the run ended.
    pub unanswered: u64,
    /// Requests that were due, but never sent.
    pub unsent: u64,
    /// Attempts of all requests.
    pub attempts: u64,
    /// Errors of attempts, including retried ones.
    pub errors: ErrorCounts,
    /// Response bytes read by all attempts.
    pub bytes: u64,
    /// Requests whose response time is only a lower bound.
    pub lower_bounds: u64,
    /// Requests with an error: answered with a status above 399 or after the client's timeout, failed, unanswered or unsent.
    #[serde(default)]
    pub with_error: u64,
}

/// Failed attempts, by kind of error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCounts {
    /// Connections that could not be made.
    pub connect: u64,
    /// Responses that could not be read.
    pub read: u64,
    /// Requests that could not be written.
    pub write: u64,
    /// Attempts that lasted longer than the client's timeout, whether they were abandoned or not.
    pub timeout: u64,
    /// Answers with a status above 399.
    pub status: u64,
}

impl ErrorCounts {
    /// Whether there was a socket error, for which wrk prints `Socket errors:`. A bad status is not one.
    pub fn any_socket(&self) -> bool {
        self.connect + self.read + self.write + self.timeout > 0
    }
}

impl Account {
    /// The counts over `records`.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a RequestRecord>) -> Account {
        let mut account = Account::default();
        records.into_iter().for_each(|r| account.add(r));
        account
    }

    /// Counts one attempt. A row without an outcome (a damaged file) counts as failed.
    pub fn add(&mut self, record: &RequestRecord) {
        let outcome = record.outcome();
        // A damaged row may have any number.
        self.bytes = self.bytes.saturating_add(record.bytes);
        // A retry that was still waiting when the run ended was never made.
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
            self.with_error += u64::from(record.has_error());
            match outcome {
                Some(Outcome::Answered) => self.answered += 1,
                Some(Outcome::Unanswered) => self.unanswered += 1,
                Some(Outcome::Unsent) => self.unsent += 1,
                _ => self.failed += 1,
            }
        }
    }

    /// Counts `count` requests that were never sent.
    pub fn add_unsent(&mut self, count: u64) {
        self.scheduled += count;
        self.unsent += count;
        self.lower_bounds += count;
        self.with_error += count;
    }

    /// Whether scheduled = answered + failed + unanswered + unsent, as it must be in every run.
    pub fn balances(&self) -> bool {
        self.scheduled == self.answered + self.failed + self.unanswered + self.unsent
    }

    /// Whether the counts can be those of a run. Data of others may have any numbers.
    pub fn is_plausible(&self) -> bool {
        let of_requests = [self.scheduled, self.answered, self.failed, self.unanswered, self.unsent, self.lower_bounds];
        let ErrorCounts { connect, read, write, timeout, status } = self.errors;
        let of_attempts = [self.attempts, self.with_error, connect, read, write, timeout, status];
        of_requests.iter().chain(&of_attempts).all(|&count| count <= MAX_COUNT)
    }

    /// Adds the counts of another thread or generator.
    pub fn merge(&mut self, other: &Account) {
        self.scheduled += other.scheduled;
        self.answered += other.answered;
        self.failed += other.failed;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.attempts += other.attempts;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.lower_bounds += other.lower_bounds;
        self.with_error += other.with_error;
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
    fn every_outcome_is_counted_once() {
        let records: Vec<_> = Outcome::ALL.iter().map(|&o| record(o, true, 0)).collect();
        let a = Account::of(&records);
        assert_eq!((a.scheduled, a.answered, a.failed, a.unanswered, a.unsent), (7, 1, 4, 1, 1));
        assert!(a.balances());
        assert_eq!((a.attempts, a.lower_bounds, a.bytes), (6, 3, 70));
        assert_eq!(a.errors, ErrorCounts { connect: 1, read: 1, write: 1, timeout: 1, status: 0 });
    }

    #[test]
    fn a_retried_request_is_one_request_of_several_attempts() {
        let a = Account::of(&[
            record(Outcome::Answered, false, 503),
            record(Outcome::Abandoned, false, 0),
            record(Outcome::Answered, true, 200),
        ]);
        assert_eq!((a.scheduled, a.answered, a.failed, a.attempts), (1, 1, 0, 3));
        assert_eq!((a.errors.status, a.errors.timeout, a.lower_bounds), (1, 1, 0));
    }

    #[test]
    fn a_retry_that_waited_when_the_run_ended_is_not_an_attempt() {
        let sent = record(Outcome::Unanswered, true, 0);
        assert_eq!(Account::of(&[sent]).attempts, 1);
        let waited = RequestRecord { sent: Instant::NEVER, ..sent };
        assert_eq!((Account::of(&[waited]).attempts, Account::of(&[waited]).unanswered), (0, 1));
    }

    #[test]
    fn unsent_requests_are_counted_together_as_one_by_one() {
        let unsent = [record(Outcome::Unsent, true, 0); 3].map(|unsent| RequestRecord { bytes: 0, ..unsent });
        let mut together = Account::default();
        together.add_unsent(3);
        assert_eq!(together, Account::of(&unsent));
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
