//! Samples of the requests per second for wrk's `Req/Sec` line. Pure: instants are arguments.

use serde::{Deserialize, Serialize};

use crate::units::{Instant, Time};

/// Counts responses in intervals of equal length.
///
/// wrk2 sets the interval after its calibration to twice the 90th percentile of the latency, or 10 ms if that is longer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSampler {
    interval: Time,
    /// The start of the current interval.
    start: Instant,
    /// The responses in the current interval.
    count: u64,
    /// The number of finished intervals, by their count of responses. It does not grow with the length of the run.
    samples: Vec<u64>,
    is_running: bool,
}

impl RateSampler {
    /// A sampler that does not count yet.
    pub fn new() -> RateSampler {
        RateSampler { interval: Time::ZERO, start: Instant::START, count: 0, samples: Vec::new(), is_running: false }
    }

    /// Starts to count at `start`, in intervals of `interval`.
    pub fn start(&mut self, start: Instant, interval: Time) {
        *self = RateSampler { interval: interval.max(Time(1)), start, count: 0, samples: Vec::new(), is_running: true };
    }

    /// Counts a response at `at`. Calls are in the order of time.
    #[inline]
    pub fn count_response(&mut self, at: Instant) {
        if self.is_running {
            self.advance(at);
            self.count += u64::from(at >= self.start);
        }
    }

    /// Finishes the intervals that ended by `now`.
    pub fn advance(&mut self, now: Instant) {
        while self.is_running && now >= self.start.plus(self.interval) {
            let count = std::mem::take(&mut self.count) as usize;
            if self.samples.len() <= count {
                self.samples.resize(count + 1, 0);
            }
            self.samples[count] += 1;
            self.start = self.start.plus(self.interval);
        }
    }

    /// The length of an interval; zero before the start.
    pub fn interval(&self) -> Time {
        self.interval
    }

    /// The finished intervals: responses per second, and the number of intervals with that rate.
    pub fn rates(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let per_second = 1e9 / self.interval.0.max(1) as f64;
        let finished = self.samples.iter().enumerate().filter(|(_, intervals)| **intervals > 0);
        finished.map(move |(count, intervals)| (count as f64 * per_second, *intervals))
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
    fn responses_are_counted_by_interval_and_empty_intervals_too() {
        let mut sampler = RateSampler::new();
        sampler.count_response(Instant(5));
        sampler.start(Instant(100), Time(10));
        for at in [99, 100, 109, 131] {
            sampler.count_response(Instant(at));
        }
        sampler.advance(Instant(140));
        // [100,110): 2, [110,130): two empty intervals, [130,140): 1.
        let rates: Vec<_> = sampler.rates().collect();
        assert_eq!(rates, [(0.0, 2), (1e8, 1), (2e8, 1)]);
    }
}
