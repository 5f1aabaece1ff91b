//! Requests per second as wrk samples them, for its `Req/Sec` line. Pure.

use crate::units::{Instant, Time};

/// Counts answers in intervals of equal length.
///
/// wrk2 chooses the interval after its calibration: twice the 90th percentile of the latency, at least 10 ms.
#[derive(Clone, Debug)]
pub struct RateSampler {
    interval: Time,
    from: Instant,
    count: u64,
    /// Finished intervals by their count of answers: bounded, however long the run.
    samples: Vec<u64>,
    on: bool,
}

impl RateSampler {
    pub fn new() -> RateSampler {
        RateSampler { interval: Time::ZERO, from: Instant::START, count: 0, samples: Vec::new(), on: false }
    }

    /// Counts from `from` on, in intervals of `interval`.
    pub fn start(&mut self, from: Instant, interval: Time) {
        *self = RateSampler { interval: interval.max(Time(1)), from, count: 0, samples: Vec::new(), on: true };
    }

    /// An answer arrived at `at`, in order of time.
    #[inline]
    pub fn count(&mut self, at: Instant) {
        if self.on {
            self.pass(at);
            self.count += u64::from(at >= self.from);
        }
    }

    /// Closes the intervals that ended by `now`.
    pub fn pass(&mut self, now: Instant) {
        while self.on && now >= self.from.plus(self.interval) {
            let count = std::mem::take(&mut self.count) as usize;
            if self.samples.len() <= count {
                self.samples.resize(count + 1, 0);
            }
            self.samples[count] += 1;
            self.from = self.from.plus(self.interval);
        }
    }

    /// How long an interval is; zero before it is known.
    pub fn interval(&self) -> Time {
        self.interval
    }

    /// The intervals seen: answers per second, and how many intervals had that rate.
    pub fn rates(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let per_second = 1e9 / self.interval.0.max(1) as f64;
        let seen = self.samples.iter().enumerate().filter(|(_, intervals)| **intervals > 0);
        seen.map(move |(count, intervals)| (count as f64 * per_second, *intervals))
    }
}

impl Default for RateSampler {
    fn default() -> RateSampler {
        RateSampler::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_interval_empty_ones_too() {
        let mut sampler = RateSampler::new();
        sampler.count(Instant(5));
        sampler.start(Instant(100), Time(10));
        for at in [99, 100, 109, 131] {
            sampler.count(Instant(at));
        }
        sampler.pass(Instant(140));
        // [100,110): 2, [110,130): two empty ones, [130,140): 1.
        let rates: Vec<_> = sampler.rates().collect();
        assert_eq!(rates, [(0.0, 2), (1e8, 1), (2e8, 1)]);
    }
}
