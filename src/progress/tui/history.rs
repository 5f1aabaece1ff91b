//! The last minutes of a run, for the curves.

use std::collections::VecDeque;

use crate::progress::Progress;
use crate::units::Time;

/// The most seconds that are kept: no terminal is wider.
const LONGEST: usize = 1000;

/// A value per second, the latest last. Seconds without a value are `None`.
#[derive(Clone, Debug, Default)]
pub struct Series(VecDeque<Option<u64>>);

impl Series {
    fn add(&mut self, value: Option<u64>) {
        if self.0.len() == LONGEST {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The last `count` values.
    pub fn last(&self, count: usize) -> impl Iterator<Item = Option<u64>> + '_ {
        self.0.range(self.0.len().saturating_sub(count)..).copied()
    }

    /// The greatest of the last `count` values.
    pub fn max(&self, count: usize) -> u64 {
        self.last(count).flatten().max().unwrap_or(0)
    }
}

/// The last minutes of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Good answers per second.
    pub good: Series,
    pub in_flight: Series,
    /// Percentiles of the response time, in us.
    pub p50_us: Series,
    pub p99_us: Series,
}

impl History {
    pub fn add(&mut self, progress: &Progress) {
        let requests = progress.requests.as_ref();
        let us = |time: Option<Time>| time.map(Time::round_to_us);
        self.good.add(requests.map(|requests| requests.good.round() as u64));
        self.in_flight.add(Some(progress.in_flight));
        self.p50_us.add(us(requests.and_then(|requests| requests.p50)));
        self.p99_us.add(us(requests.and_then(|requests| requests.p99)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_keeps_its_last_values() {
        let mut series = Series::default();
        (0..=LONGEST as u64).for_each(|value| series.add((value != 999).then_some(value)));
        assert_eq!(series.last(3).collect::<Vec<_>>(), [Some(998), None, Some(1000)]);
        assert_eq!((series.last(5000).count(), series.last(5000).next()), (LONGEST, Some(Some(1))));
        assert_eq!((series.max(2), Series::default().max(2)), (1000, 0));
    }
}
