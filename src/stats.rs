//! Statistics: latency histograms, percentiles, moments and medians.
//!
//! No result is NaN or infinite. Without samples a result is 0 or `None`.

use crate::units::Time;
use hdrhistogram::Histogram;

/// The range of latencies that a histogram distinguishes, in us: 1 us to 24 h.
pub const LATENCY_RANGE: (u64, u64) = (1, 24 * 3600 * 1_000_000);

/// Significant decimal digits of a histogram's values.
const DIGITS: u8 = 3;

/// An empty histogram of latencies in us: 1 us to 24 h with 3 digits. A longer latency counts as 24 h
/// (`saturating_record`), a shorter one as 0.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_RANGE.0, LATENCY_RANGE.1, DIGITS).expect("these bounds are valid")
}

/// An empty histogram of send lag in ns, up to 24 h with 3 digits. Send lag is often below 1 us.
pub fn lag_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_RANGE.1 * 1000, DIGITS).expect("these bounds are valid")
}

/// Adds a span to a histogram in us, rounded to the nearest us.
#[inline]
pub fn record_time(histogram: &mut Histogram<u64>, span: Time) {
    histogram.saturating_record(span.round_to_us());
}

/// The rank of the sample at `percent` (0 to 100) among `count` samples in order of value, from 1.
///
/// It is `percent/100 * count`, rounded to the nearest and at least 1: the rule of HdrHistogram in C, and so of wrk2.
/// All percentiles of this program follow it. (HdrHistogram in Rust rounds the rank up, which differs in the tail: of
/// 600 samples, 99.9 % is rank 599 in C and rank 600 in Rust.)
pub fn percentile_rank(count: u64, percent: f64) -> u64 {
    ((percent.clamp(0.0, 100.0) / 100.0 * count as f64 + 0.5) as u64).max(1)
}

/// The sample at `percent` (0 to 100) by [`percentile_rank`], or `None` where there is no sample. Reorders `samples`.
pub fn percentile<T: Copy + Ord>(samples: &mut [T], percent: f64) -> Option<T> {
    let rank = percentile_rank(samples.len() as u64, percent) as usize;
    if samples.is_empty() { None } else { Some(*samples.select_nth_unstable(rank - 1).1) }
}

/// The value at `percent` (0 to 100), in the histogram's unit; 0 if it is empty.
///
/// It is the greatest value that the histogram does not distinguish from the sample at [`percentile_rank`].
pub fn value_at_percentile(histogram: &Histogram<u64>, percent: f64) -> u64 {
    let rank = percentile_rank(histogram.len(), percent);
    let mut seen = 0;
    for step in histogram.iter_recorded() {
        seen += step.count_at_value();
        if seen >= rank {
            return histogram.highest_equivalent(step.value_iterated_to());
        }
    }
    0
}

/// One line of a percentile spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumLine {
    /// The greatest value that the histogram does not distinguish from the one here, in its unit.
    pub value: u64,
    /// The quantile of the line, 0 to 1.
    pub quantile: f64,
    /// How many samples are at most `value`.
    pub count: u64,
}

/// The percentile spectrum that HdrHistogram prints: `per_half` lines for each halving of the distance to 100 %, up to
/// the greatest value, and a line for 100 %.
pub fn spectrum(histogram: &Histogram<u64>, per_half: u32) -> Vec<SpectrumLine> {
    let total = histogram.len();
    let mut ticks = Vec::new();
    let (mut percent, mut remaining) = (0.0, 100.0);
    let (mut seen, mut value) = (0, 0);
    for step in histogram.iter_recorded() {
        seen += step.count_at_value();
        value = histogram.highest_equivalent(step.value_iterated_to());
        while percent <= 100.0 * seen as f64 / total as f64 {
            ticks.push(SpectrumLine { value, quantile: percent / 100.0, count: seen });
            if seen == total {
                break;
            }
            // HdrHistogram's rule: `remaining` is halved each time that half of it is left to 100 %, and a step is
            // half of it divided by `per_half`.
            while 100.0 - percent <= remaining / 2.0 {
                remaining /= 2.0;
            }
            percent += remaining / 2.0 / f64::from(per_half);
        }
    }
    ticks.push(SpectrumLine { value, quantile: 1.0, count: total });
    ticks
}

/// The percentage of samples within one standard deviation of the mean, 0 without samples: `+/- Stdev` of wrk.
pub fn within_stdev(histogram: &Histogram<u64>) -> f64 {
    if histogram.is_empty() {
        return 0.0;
    }
    let (mean, stdev) = (histogram.mean(), histogram.stdev());
    let near = |value: u64| (histogram.median_equivalent(value) as f64 - mean).abs() <= stdev;
    let inside: u64 =
        histogram.iter_recorded().filter(|s| near(s.value_iterated_to())).map(|s| s.count_at_value()).sum();
    100.0 * inside as f64 / histogram.len() as f64
}

/// What wrk prints about a set of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation of the sample (divided by n - 1), 0 for fewer than two samples.
    pub stdev: f64,
    /// The greatest sample.
    pub max: f64,
    /// The 99th percentile, by [`percentile_rank`].
    pub p99: f64,
    /// The percentage of samples within `stdev` of `mean`.
    pub within_stdev: f64,
}

impl Moments {
    /// The moments of `samples`, all 0 without samples. Samples that are not finite are left out.
    pub fn of(samples: &[f64]) -> Moments {
        Moments::of_counted(samples.iter().map(|x| (*x, 1)))
    }

    /// [`Moments::of`] for pairs of a sample and its count.
    pub fn of_counted(samples: impl IntoIterator<Item = (f64, u64)>) -> Moments {
        let mut sorted: Vec<(f64, u64)> = samples.into_iter().filter(|(x, n)| x.is_finite() && *n > 0).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(&(max, _)) = sorted.last() else { return Moments::default() };
        let count: u64 = sorted.iter().map(|(_, n)| n).sum();
        let n = count as f64;
        let sum = |of: &dyn Fn(f64) -> f64| sorted.iter().map(|(x, n)| of(*x) * *n as f64).sum::<f64>();
        let mean = sum(&|x| x) / n;
        let stdev = if count > 1 { (sum(&|x| (x - mean).powi(2)) / (n - 1.0)).sqrt() } else { 0.0 };
        let inside = sum(&|x| f64::from(u8::from((x - mean).abs() <= stdev)));
        let rank = percentile_rank(count, 99.0);
        let mut seen = 0;
        let at_rank = sorted.iter().find(|(_, n)| {
            seen += n;
            seen >= rank
        });
        Moments { mean, stdev, max, p99: at_rank.map_or(max, |(x, _)| *x), within_stdev: 100.0 * inside / n }
    }
}

/// The middle sample, or the mean of the two middle ones. `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// `part / whole`, or 0 where that is not finite.
pub fn ratio(part: f64, whole: f64) -> f64 {
    let ratio = part / whole;
    if ratio.is_finite() { ratio } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = latency_histogram();
        values.into_iter().for_each(|v| histogram.saturating_record(v));
        histogram
    }

    #[test]
    fn percentiles_round_the_rank_to_the_nearest() {
        let h = of(1..=600);
        let at = |p| value_at_percentile(&h, p);
        assert_eq!([at(0.0), at(50.0), at(99.9), at(99.99), at(100.0)], [1, 300, 599, 600, 600]);
        assert_eq!(value_at_percentile(&latency_histogram(), 99.0), 0);
    }

    #[test]
    fn samples_and_histograms_have_the_same_percentiles() {
        let ranks = |count| [0.0, 0.1, 50.0, 99.0, 99.9, 100.0].map(|percent| percentile_rank(count, percent));
        assert_eq!(ranks(0), [1, 1, 1, 1, 1, 1]);
        assert_eq!(ranks(1), [1, 1, 1, 1, 1, 1]);
        assert_eq!(ranks(100), [1, 1, 50, 99, 100, 100]);
        assert_eq!(ranks(101), [1, 1, 51, 100, 101, 101]);
        assert_eq!(ranks(600), [1, 1, 300, 594, 599, 600]);
        assert_eq!([-1.0, 101.0, f64::INFINITY].map(|percent| percentile_rank(9, percent)), [1, 9, 9]);

        for count in [1, 2, 3, 49, 50, 51, 149, 150, 600] {
            let (histogram, mut samples): (_, Vec<u64>) = (of(1..=count), (1..=count).rev().collect());
            for percent in [0.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                let exact = percentile(&mut samples, percent);
                assert_eq!(exact, Some(percentile_rank(count, percent)));
                assert_eq!(exact, Some(value_at_percentile(&histogram, percent)), "{percent} % of {count}");
            }
        }
        assert_eq!(percentile::<u64>(&mut [], 50.0), None);
        assert_eq!(percentile(&mut [7], 0.0), Some(7));
    }

    #[test]
    fn values_out_of_range_count_as_the_nearest_limit() {
        let mut h = latency_histogram();
        record_time(&mut h, Time(0));
        record_time(&mut h, Time(300));
        record_time(&mut h, Time(1_500));
        record_time(&mut h, Time(u64::MAX));
        assert_eq!(h.len(), 4);
        assert_eq!(value_at_percentile(&h, 50.0), 0);
        assert_eq!(value_at_percentile(&h, 75.0), 2);
        assert!(h.max() >= LATENCY_RANGE.1);
    }

    #[test]
    fn a_spectrum_has_five_lines_per_halving_and_ends_at_100_percent() {
        let h = of(1..=1000);
        let ticks = spectrum(&h, 5);
        let quantiles: Vec<f64> = ticks.iter().map(|t| t.quantile).take(12).collect();
        assert_eq!(quantiles, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.775]);
        assert_eq!(ticks.last(), Some(&SpectrumLine { value: 1000, quantile: 1.0, count: 1000 }));
        assert!(ticks.windows(2).all(|w| w[0].quantile < w[1].quantile && w[0].count <= w[1].count));
    }

    #[test]
    fn a_spectrum_of_few_samples_is_short() {
        let whole = |value, count| SpectrumLine { value, quantile: 1.0, count };
        assert_eq!(spectrum(&latency_histogram(), 5), [whole(0, 0)]);
        assert_eq!(spectrum(&of([7]), 5), [SpectrumLine { value: 7, quantile: 0.0, count: 1 }, whole(7, 1)]);
    }

    #[test]
    fn moments_without_samples_are_zero_and_of_one_sample_have_no_spread() {
        assert_eq!(Moments::of(&[]), Moments::default());
        let one = Moments::of(&[4.0]);
        assert_eq!((one.mean, one.stdev, one.max, one.p99, one.within_stdev), (4.0, 0.0, 4.0, 4.0, 100.0));
        let some = Moments::of(&[1.0, 2.0, 3.0, f64::NAN]);
        assert_eq!((some.mean, some.stdev, some.max), (2.0, 1.0, 3.0));
        let each: Vec<f64> = (0..300).map(|i| f64::from(i % 150)).collect();
        assert_eq!(Moments::of_counted((0..150).map(|i| (f64::from(i), 2))), Moments::of(&each));
        assert_eq!(Moments::of(&each).p99, 148.0);
        assert_eq!(within_stdev(&latency_histogram()), 0.0);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
