use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Outcome, RequestRecord};
use crate::units::{Instant, Time};

/// Why a request was not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// It was answered with this status, 400 or above.
    Status(u16),
    /// No connection could be made for it.
    ConnectError,
    /// Its connection broke.
    ConnectionBroke,
    /// It was answered after the SLO, abandoned at the client's timeout, or had no answer within the SLO.
    Late,
}

/// The requests of a window that were not good, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FailureList", into = "FailureList")]
pub struct Failures {
    /// Requests due in the window.
    pub due: u64,
    /// A request that was undecided at the end of the window has no cause.
    causes: BTreeMap<FailureCause, u64>,
}

/// The form in files: a key in JSON is a text, and a cause is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FailureList {
    due: u64,
    causes: Vec<(FailureCause, u64)>,
}

impl From<FailureList> for Failures {
    fn from(list: FailureList) -> Failures {
        Failures { due: list.due, causes: list.causes.into_iter().collect() }
    }
}

impl From<Failures> for FailureList {
    fn from(failures: Failures) -> FailureList {
        FailureList { due: failures.due, causes: failures.causes.into_iter().collect() }
    }
}

impl Failures {
    /// Counts a request that was due in a window, as it was known at `to`, the window's end.
    pub fn add(&mut self, record: &RequestRecord, to: Instant, slo: Time) {
        self.due += 1;
        if let Some(cause) = find_cause(record, to, slo) {
            *self.causes.entry(cause).or_default() += 1;
        }
    }

    /// Adds the requests of another part of the window.
    pub fn merge(&mut self, other: &Failures) {
        self.due += other.due;
        for (cause, count) in &other.causes {
            *self.causes.entry(*cause).or_default() += count;
        }
    }

    /// The causes, the most frequent first.
    pub fn sorted(&self) -> Vec<(FailureCause, u64)> {
        let mut causes: Vec<_> = self.causes.iter().map(|(cause, count)| (*cause, *count)).collect();
        causes.sort_by_key(|&(cause, count)| (std::cmp::Reverse(count), cause));
        causes
    }
}

fn find_cause(record: &RequestRecord, to: Instant, slo: Time) -> Option<FailureCause> {
    if record.end > to {
        return (to.since(record.due) >= slo).then_some(FailureCause::Late);
    }
    match record.outcome() {
        Some(Outcome::Answered) if record.status >= 400 => Some(FailureCause::Status(record.status)),
        Some(Outcome::Answered) => (record.end.since(record.due) > slo).then_some(FailureCause::Late),
        Some(Outcome::ConnectError) => Some(FailureCause::ConnectError),
        Some(Outcome::ReadError | Outcome::WriteError) => Some(FailureCause::ConnectionBroke),
        Some(Outcome::Abandoned | Outcome::Unanswered | Outcome::Unsent) | None => Some(FailureCause::Late),
    }
}
