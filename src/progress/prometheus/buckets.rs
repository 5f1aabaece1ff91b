//! Histograms as Prometheus has them: counts in fixed buckets.

use hdrhistogram::Histogram;

/// Upper bounds of the buckets in a decade. Each is at most 1.67 times the one before, so a percentile that is interpolated
/// between two of them is off by less than that factor.
const STEPS: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0];

/// Counts of times in fixed buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// The upper bound of each bucket, in seconds, and how many times are in it and in no bucket before it.
    counts: Vec<(f64, u64)>,
    count: u64,
    sum_seconds: f64,
}

impl Buckets {
    /// Buckets from 10^`first` to 10^`last` seconds.
    pub fn new(first: i32, last: i32) -> Buckets {
        // `1.5e-3` is parsed, because 1.5 * 10f64.powi(-3) is not the nearest number to it.
        let bound = |step: f64, exponent: i32| format!("{step}e{exponent}").parse().unwrap_or(f64::INFINITY);
        let decades = (first..last).flat_map(|exponent| STEPS.map(|step| bound(step, exponent)));
        let bounds = decades.chain([bound(1.0, last), f64::INFINITY]);
        Buckets { counts: bounds.map(|bound| (bound, 0)).collect(), count: 0, sum_seconds: 0.0 }
    }

    /// Adds the times of a histogram whose unit is `unit` seconds.
    pub fn add(&mut self, histogram: &Histogram<u64>, unit: f64) {
        for step in histogram.iter_recorded() {
            let (value, count) = (step.value_iterated_to(), step.count_at_value());
            let seconds = histogram.median_equivalent(value) as f64 * unit;
            let at = self.counts.partition_point(|(bound, _)| *bound < seconds);
            // The last bucket has no bound.
            self.counts[at].1 += count;
            self.count += count;
            self.sum_seconds += seconds * count as f64;
        }
    }

    pub fn counts(&self) -> &[(f64, u64)] {
        &self.counts
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum_seconds(&self) -> f64 {
        self.sum_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::latency_histogram;

    #[test]
    fn bounds_are_round_numbers_and_the_last_one_is_infinite() {
        let bounds: Vec<String> = Buckets::new(-3, -1).counts().iter().map(|(bound, _)| bound.to_string()).collect();
        let expected = "0.001 0.0015 0.002 0.003 0.005 0.007 0.01 0.015 0.02 0.03 0.05 0.07 0.1 inf";
        assert_eq!(bounds.join(" "), expected);
    }

    #[test]
    fn each_time_is_in_the_first_bucket_that_is_not_below_it() {
        let mut histogram = latency_histogram();
        [0, 500, 1000, 1001, 60_000_000].into_iter().for_each(|us| histogram.saturating_record(us));
        let mut buckets = Buckets::new(-3, 0);
        buckets.add(&histogram, 1e-6);
        buckets.add(&histogram, 1e-6);
        let full: Vec<(f64, u64)> = buckets.counts().iter().copied().filter(|(_, count)| *count > 0).collect();
        assert_eq!(full, [(0.001, 6), (0.0015, 2), (f64::INFINITY, 2)]);
        assert_eq!(buckets.count(), 10);
        assert!((buckets.sum_seconds() - 120.005).abs() < 0.05, "{buckets:?}");
    }
}
