//! The statistics of each second of a load.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::sink::RecordSink;
use crate::record::{Account, Latencies, RequestRecord};
use crate::units::{Instant, Time};

/// What ended in one second of a load. The sums over all seconds are those of the [`LoadResult`](crate::load::LoadResult),
/// except that requests that were never sent are in no second.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalStatistics {
    /// The start of the second: a whole number of seconds.
    pub start: Instant,
    /// A second later, or the end of the load if that is sooner.
    pub end: Instant,
    /// The requests that ended after `start` and by `end`. A record that arrives too late for its second counts in the
    /// next one.
    pub account: Account,
    /// The latencies of the same requests. Those that belong to the warm-up are left out.
    pub latencies: Latencies,
    /// Attempts in flight now.
    pub in_flight: u64,
}

const SECOND: Time = Time::from_secs(1);

impl IntervalStatistics {
    fn starting_at(start: Instant) -> IntervalStatistics {
        let (account, latencies) = (Account::default(), Latencies::default());
        IntervalStatistics { start, end: start.plus(SECOND), account, latencies, in_flight: 0 }
    }
}

impl fmt::Display for IntervalStatistics {
    /// `12s: 500 answered, 0 errors, p50 1.37ms, p99 12.96ms, 3 in flight`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { answered, with_error, .. } = self.account;
        write!(f, "{:.0}s: {answered} answered, {with_error} errors", self.end.as_secs_f64().ceil())?;
        for percent in [50.0, 99.0] {
            match self.latencies.response_time(percent) {
                Some(time) => write!(f, ", p{percent} {time}")?,
                None => write!(f, ", p{percent} -")?,
            }
        }
        write!(f, ", {} in flight", self.in_flight)
    }
}

/// The seconds of a load that were not taken yet, in order.
#[derive(Debug)]
pub(super) struct Intervals {
    current: IntervalStatistics,
    later: VecDeque<IntervalStatistics>,
}

impl Intervals {
    pub fn new() -> Intervals {
        Intervals { current: IntervalStatistics::starting_at(Instant::START), later: VecDeque::new() }
    }

    fn add(&mut self, record: &RequestRecord) {
        let second = self.second_of(record.end);
        second.account.add(record);
        second.latencies.add(record);
    }

    fn second_of(&mut self, at: Instant) -> &mut IntervalStatistics {
        if at <= self.current.end {
            return &mut self.current;
        }
        let index = ((at.since(self.current.end).0 - 1) / SECOND.0) as usize;
        while self.later.len() <= index {
            let last = self.later.back().unwrap_or(&self.current);
            self.later.push_back(IntervalStatistics::starting_at(last.end));
        }
        &mut self.later[index]
    }

    /// The next second that is over at `at`, if there is one.
    pub fn take_before(&mut self, at: Instant) -> Option<IntervalStatistics> {
        if at < self.current.end {
            return None;
        }
        let next = self.later.pop_front().unwrap_or_else(|| IntervalStatistics::starting_at(self.current.end));
        Some(std::mem::replace(&mut self.current, next))
    }

    /// The next second of a load that ended at `ended` and has no further records. The last one is shorter, and is left out
    /// if nothing ended in it.
    pub fn take_rest(&mut self, ended: Instant) -> Option<IntervalStatistics> {
        self.take_before(ended).or_else(|| {
            let next = IntervalStatistics::starting_at(self.current.end);
            let last = std::mem::replace(&mut self.current, next);
            (last.account != Account::default()).then_some(IntervalStatistics { end: ended, ..last })
        })
    }
}

/// Adds every record to its second.
pub(super) struct IntervalSink(pub Arc<Mutex<Intervals>>);

pub(super) fn lock(intervals: &Mutex<Intervals>) -> MutexGuard<'_, Intervals> {
    intervals.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordSink for IntervalSink {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let mut intervals = lock(&self.0);
        batch.iter().for_each(|record| intervals.add(record));
        Ok(())
    }

    fn needs_unsent(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;

    fn ending_at(ms: u64) -> RequestRecord {
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        record.end = Instant(ms * 1_000_000);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        record
    }

    fn answered(second: Option<IntervalStatistics>) -> Option<(Instant, Instant, u64)> {
        second.map(|second| (second.start, second.end, second.account.answered))
    }

    #[test]
    fn each_record_belongs_to_the_second_in_which_it_ended() {
        let mut intervals = Intervals::new();
        [0, 1000, 1001, 3500].iter().for_each(|ms| intervals.add(&ending_at(*ms)));
        let s = |seconds: u64| Instant(seconds * 1_000_000_000);
        assert_eq!(answered(intervals.take_before(Instant(999_999_999))), None);
        assert_eq!(answered(intervals.take_before(s(1))), Some((s(0), s(1), 2)));
        assert_eq!(answered(intervals.take_before(s(1))), None);
        intervals.add(&ending_at(900));
        assert_eq!(
            answered(intervals.take_before(s(9))),
            Some((s(1), s(2), 2)),
            "a late record counts in the next second"
        );
        assert_eq!(answered(intervals.take_before(s(9))), Some((s(2), s(3), 0)));
        let ended = Instant(3_500_000_000);
        assert_eq!(answered(intervals.take_rest(ended)), Some((s(3), ended, 1)));
        assert_eq!(answered(intervals.take_rest(ended)), None);
    }

    #[test]
    fn a_second_is_a_line() {
        let mut second = IntervalStatistics::starting_at(Instant(11_000_000_000));
        insta::assert_snapshot!(second, @"12s: 0 answered, 0 errors, p50 -, p99 -, 0 in flight");
        second.account.add(&ending_at(2));
        second.latencies.add(&ending_at(2));
        (second.end, second.in_flight) = (Instant(11_500_000_000), 3);
        insta::assert_snapshot!(second, @"12s: 1 answered, 0 errors, p50 2.00ms, p99 2.00ms, 3 in flight");
    }
}
