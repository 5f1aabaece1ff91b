//! Which percentiles of a histogram are only lower bounds. Pure.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::stats::percentile_rank;

/// The samples of a histogram that are only lower bounds: the true values are at least as large.
///
/// A percentile is exact if it stays the same whatever the true values are. Let F be the distribution of the samples, and
/// b the least lower bound. Percentiles up to F(b) are exact, because no true value is below b. Percentiles above F(b)
/// are lower bounds themselves, even if the samples there are exact: true values that are larger move them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowerBounds {
    count: u64,
    /// The least lower bound: the lowest value that the histogram does not distinguish from it.
    least: u64,
    /// How many lower bounds the histogram does not distinguish from the least one.
    equal_to_least: u64,
}

impl LowerBounds {
    /// Adds `count` equal samples that `histogram` contains.
    pub fn add(&mut self, histogram: &Histogram<u64>, value: u64, count: u64) {
        let value = histogram.lowest_equivalent(value.min(histogram.high()));
        self.merge(&LowerBounds { count, least: value, equal_to_least: count });
    }

    /// Adds those of another histogram with the same limits.
    pub fn merge(&mut self, other: &LowerBounds) {
        if other.count == 0 {
            return;
        }
        let count = self.count + other.count;
        if self.count == 0 || other.least < self.least {
            *self = *other;
        } else if other.least == self.least {
            self.equal_to_least += other.equal_to_least;
        }
        self.count = count;
    }

    /// How many samples are lower bounds.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many samples, from the least on, are exact and no greater than the least lower bound.
    fn exact_samples(&self, histogram: &Histogram<u64>) -> u64 {
        if self.count == 0 {
            return histogram.len();
        }
        let up_to_least = histogram
            .iter_recorded()
            .take_while(|step| histogram.lowest_equivalent(step.value_iterated_to()) <= self.least);
        up_to_least.map(|step| step.count_at_value()).sum::<u64>().saturating_sub(self.equal_to_least)
    }

    /// Percentiles of `histogram` above this one are lower bounds. 100 if there is none.
    pub fn exact_percent(&self, histogram: &Histogram<u64>) -> f64 {
        if histogram.is_empty() {
            return 100.0;
        }
        100.0 * self.exact_samples(histogram) as f64 / histogram.len() as f64
    }

    /// Whether the value of `histogram` at each of `percents` (0 to 100) is only a lower bound.
    pub fn are_bounds<const N: usize>(&self, histogram: &Histogram<u64>, percents: [f64; N]) -> [bool; N] {
        let exact = self.exact_samples(histogram);
        percents.map(|percent| self.count > 0 && percentile_rank(histogram.len(), percent) > exact)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{latency_histogram, value_at_percentile};

    /// A histogram of exact samples and lower bounds.
    fn samples(
        exact: impl IntoIterator<Item = u64>,
        bounds: impl IntoIterator<Item = u64>,
    ) -> (Histogram<u64>, LowerBounds) {
        let (mut histogram, mut lower_bounds) = (latency_histogram(), LowerBounds::default());
        exact.into_iter().for_each(|value| histogram.saturating_record(value));
        for value in bounds {
            histogram.saturating_record(value);
            lower_bounds.add(&histogram, value, 1);
        }
        (histogram, lower_bounds)
    }

    fn exact_percent(exact: impl IntoIterator<Item = u64>, bounds: impl IntoIterator<Item = u64>) -> f64 {
        let (histogram, bounds) = samples(exact, bounds);
        bounds.exact_percent(&histogram)
    }

    #[test]
    fn percentiles_above_the_least_bound_are_bounds_however_few_there_are() {
        // 10 of 100 samples are bounds. If they are the longest, 90 % is right.
        assert_eq!(exact_percent(1..=90, 91..=100), 90.0);
        // If one of them is low in the distribution, it is not.
        assert_eq!(exact_percent(1..=90, (92..=100).chain([20])), 20.0);
        assert_eq!(exact_percent(2..=100, [1]), 0.0);
        // Exact samples that the histogram does not distinguish from the least bound stay where they are.
        assert_eq!(exact_percent([1, 5, 5, 5], [5, 9]), 100.0 * 4.0 / 6.0);
        assert_eq!(exact_percent([5_000_000], [5_000_001]), 50.0);
        assert_eq!((exact_percent([], [7]), exact_percent([7], []), exact_percent([], [])), (0.0, 100.0, 100.0));
        assert_eq!(exact_percent([1], [u64::MAX]), 50.0);
    }

    #[test]
    fn a_percentile_is_a_bound_if_its_sample_is_above_the_exact_ones() {
        let (histogram, bounds) = samples(1..=90, 91..=100);
        assert_eq!(
            bounds.are_bounds(&histogram, [0.0, 50.0, 90.0, 90.4, 90.6, 100.0]),
            [false, false, false, false, true, true]
        );
        assert_eq!(LowerBounds::default().are_bounds(&histogram, [50.0, 100.0]), [false; 2]);
        assert_eq!(LowerBounds::default().are_bounds(&latency_histogram(), [50.0, 100.0]), [false; 2]);
        let (histogram, bounds) = samples([], [7]);
        assert_eq!(bounds.are_bounds(&histogram, [0.0, 100.0]), [true; 2]);
    }

    fn values(most: usize) -> impl Strategy<Value = Vec<u64>> {
        // Close together, so that many share a bucket, and far apart.
        prop::collection::vec(prop_oneof![0u64..20, 4_000u64..4_020, 0u64..500_000], 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn percentiles_that_are_no_bounds_stay_whatever_the_true_values_are(
            exact in values(60),
            bounds in prop::collection::vec((0u64..500_000, 0u64..500_000), 0..20),
            low in values(10),
            any_percent in 0.0..100.0,
        ) {
            let bounds: Vec<(u64, u64)> = bounds.into_iter().chain(low.into_iter().map(|low| (low, low * 7))).collect();
            let (histogram, marks) = samples(exact.iter().copied(), bounds.iter().map(|(bound, _)| *bound));
            let (truth, _) = samples(exact.iter().copied().chain(bounds.iter().map(|(bound, more)| bound + more)), []);
            let (longest, _) = samples(exact.iter().copied().chain(bounds.iter().map(|_| 1_000_000)), []);
            prop_assert_eq!(marks.count(), bounds.len() as u64);
            for percent in [0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0, any_percent] {
                let at = [&histogram, &truth, &longest].map(|histogram| value_at_percentile(histogram, percent));
                let [is_bound] = marks.are_bounds(&histogram, [percent]);
                if is_bound {
                    prop_assert!(at[0] <= at[1], "{} is a lower bound", percent);
                    let rank = percentile_rank(histogram.len(), percent) as f64;
                    prop_assert!(100.0 * rank / histogram.len() as f64 > marks.exact_percent(&histogram));
                } else {
                    prop_assert_eq!(at, [at[0]; 3], "{} is exact", percent);
                }
            }
        }

        #[test]
        fn the_bounds_of_threads_add_up(a in values(20), b in values(20), exact in values(20)) {
            let (_, mut merged) = samples(exact.clone(), a.clone());
            merged.merge(&samples([], b.clone()).1);
            let (_, all) = samples(exact, a.into_iter().chain(b));
            prop_assert_eq!(merged, all);
        }
    }
}
