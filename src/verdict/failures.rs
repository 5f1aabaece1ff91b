//! Why requests were not good, and what can be done about it.

pub use crate::record::digest::{FailureCause, Failures};
use crate::units::round_rate;

impl Failures {
    /// What was seen, in one sentence; `None` if no request failed.
    pub fn describe(&self) -> Option<String> {
        let causes = self.sorted();
        let (main, others) = causes.split_at(causes.len().min(MOST_CAUSES));
        let mut parts: Vec<String> =
            main.iter().map(|(cause, count)| format!("{count} {}", cause.describe())).collect();
        let others: u64 = others.iter().map(|(_, count)| count).sum();
        parts.extend((others > 0).then(|| format!("{others} for other reasons")));
        (!parts.is_empty()).then(|| format!("Of {} requests due these were not good: {}.", self.due, parts.join(", ")))
    }

    /// What to do, by the most frequent cause: a lower load than `rate` does not help against everything.
    pub fn remedy(&self, rate: f64) -> String {
        let lower = round_rate(rate / 2.0);
        let causes = self.sorted();
        let failed: u64 = causes.iter().map(|(_, count)| count).sum();
        let all_failed = failed as f64 >= 0.99 * self.due as f64;
        match causes.first().map(|(cause, _)| *cause) {
            Some(FailureCause::Status(status @ 400..500)) if status != 408 && status != 429 => format!(
                "A lower load does not change status {status}: correct the url, the headers or the script. `metawrk check` sends \
                 one request and shows its status."
            ),
            Some(FailureCause::Status(_)) if all_failed => {
                "No request succeeded, so a lower load does not help: find the cause of the error status in the log of \
                 the system, or correct the url or the script. `metawrk check` sends one request and shows its status."
                    .to_owned()
            }
            Some(FailureCause::Status(status)) => format!(
                "Find the cause of status {status} in the log of the system. If it is the load, lower it: --rate {lower}."
            ),
            Some(FailureCause::ConnectError) => format!(
                "Find out why the system accepts no further connections. If it is the load, lower it: --rate {lower}."
            ),
            Some(FailureCause::ConnectionBroke) => format!(
                "Find out in the log of the system why it closes connections. If it is the load, lower it: --rate {lower}."
            ),
            Some(FailureCause::Late) | None => {
                format!("Lower the load: --rate {lower}. Use --outage 0s to see which load the system sustains.")
            }
        }
    }
}

/// Further causes are summed up.
const MOST_CAUSES: usize = 3;

impl FailureCause {
    fn describe(self) -> String {
        match self {
            FailureCause::Status(status) => format!("with status {status}"),
            FailureCause::ConnectError => "without a connection".to_owned(),
            FailureCause::ConnectionBroke => "with a broken connection".to_owned(),
            FailureCause::Late => "without an answer within the SLO".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, RequestRecord};
    use crate::units::{Instant, Time};

    #[test]
    fn failures_are_counted_by_cause_and_the_advice_follows_from_the_main_one() {
        let at = |second: u64| Instant(second * 1_000_000_000);
        let record = |outcome, status, due: u64, end: u64| {
            let mut record = RequestRecord::planned(due, at(due), 0);
            (record.status, record.end) = (status, at(end));
            record.set_outcome(outcome);
            record.set_last(true);
            record
        };
        let count = |records: &[RequestRecord]| {
            let mut failures = Failures::default();
            let due = records.iter().filter(|record| record.due >= at(10) && record.due < at(20));
            due.for_each(|record| failures.add(record, at(20), Time::from_secs(2)));
            failures
        };
        let mixed = [
            record(Outcome::Answered, 500, 9, 9),
            record(Outcome::Answered, 200, 10, 11),
            record(Outcome::Answered, 200, 10, 13),
            record(Outcome::Answered, 500, 19, 21),
            record(Outcome::Answered, 500, 18, 21),
            record(Outcome::Answered, 503, 11, 11),
            record(Outcome::ReadError, 0, 11, 11),
            record(Outcome::ConnectError, 0, 11, 11),
            record(Outcome::WriteError, 0, 12, 12),
            record(Outcome::Answered, 500, 20, 20),
        ];
        insta::assert_snapshot!(count(&mixed).describe().unwrap(), @"Of 8 requests due these were not good: 2 with a broken connection, 2 without an answer within the SLO, 1 with status 503, 1 for other reasons.");
        assert_eq!(count(&mixed[1..2]).describe(), None);
        let advice = |outcome, status| count(&[record(outcome, status, 11, 11)]).remedy(300.0);
        let partly = |outcome, status| {
            count(&[record(outcome, status, 11, 11), record(Outcome::Answered, 200, 11, 11)]).remedy(300.0)
        };
        for (text, is_load) in [
            (advice(Outcome::Answered, 404), false),
            (partly(Outcome::Answered, 404), false),
            (advice(Outcome::Answered, 500), false),
            (partly(Outcome::Answered, 500), true),
            (advice(Outcome::Answered, 429), false),
            (partly(Outcome::Answered, 429), true),
            (partly(Outcome::ConnectError, 0), true),
            (partly(Outcome::ReadError, 0), true),
            (partly(Outcome::Abandoned, 0), true),
            (advice(Outcome::Abandoned, 0), true),
        ] {
            assert_eq!(text.contains("--rate 150"), is_load, "{text}");
        }
    }
}
