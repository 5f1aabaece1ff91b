//! The stable rate as capacity over amplification: each request costs several attempts while the system is stuck.

use super::batch_means::{BATCHES, batch_means};
use super::interval::{Confidence, Estimate, Interval};
use super::rate::mean_interval;
use crate::units::Time;

/// The length of the window whose throughput counts as the capacity.
const WINDOW: Time = Time::from_secs(3);

/// A ramp that goes past the capacity: the successes that ended in each bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp<'a> {
    pub successes: &'a [u64],
    /// The width of each bin, above 0.
    pub width: Time,
}

/// The requests that were due in one bin while the system was stuck, and the attempts at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptsBin {
    pub requests: u64,
    pub attempts: u64,
}

/// Why the capacity cannot be estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCapacity {
    #[error("the ramp is shorter than {WINDOW}, or nothing succeeded in it")]
    Ramp,
    #[error(
        "the system was stuck for {bins} bins with requests, and at least {BATCHES} are needed. Observe for longer"
    )]
    TooShort { bins: usize },
}

/// The stable rate in requests/s: mu/alpha, with the interval of the ratio by [`divide`]. mu is [`best_throughput`] of
/// the ramp, alpha [`amplification`] while the system was stuck.
pub fn capacity_over_amplification(
    ramp: Ramp,
    stuck: &[AttemptsBin],
    confidence: Confidence,
) -> Result<Estimate, NoCapacity> {
    let capacity = best_throughput(ramp, confidence).ok_or(NoCapacity::Ramp)?;
    Ok(divide(capacity, amplification(stuck, confidence)?))
}

/// mu in attempts/s: the best throughput of 3 s in the ramp. `None` if the ramp is shorter, or nothing succeeded.
///
/// The interval is that of a Poisson count (Garwood). The best of several windows is good by chance too, so the lower
/// bound holds for all disjoint windows of the ramp at once: Bonferroni's correction, as in Dunn, "Multiple Comparisons
/// Among Means", JASA 56 (1961). A server with constant service times varies less than that.
pub fn best_throughput(ramp: Ramp, confidence: Confidence) -> Option<Estimate> {
    let len = WINDOW.0.div_ceil(ramp.width.0.max(1)).max(1);
    let len = usize::try_from(len).ok()?;
    let best = ramp.successes.windows(len).map(|window| window.iter().sum::<u64>()).max().filter(|&best| best > 0)?;
    let windows = (ramp.successes.len() / len) as f64;
    let of_all = Confidence::clamped(1.0 - (1.0 - confidence.as_share()) / windows);
    let seconds = ramp.width.as_secs_f64() * len as f64;
    let (low, high) = (mean_interval(best, of_all).low / seconds, mean_interval(best, confidence).high / seconds);
    Some(Estimate { value: best as f64 / seconds, interval: Interval { low, high, confidence } })
}

/// alpha: attempts per request, by batch means over the bins that have requests. It is at least 1.
pub fn amplification(stuck: &[AttemptsBin], confidence: Confidence) -> Result<Estimate, NoCapacity> {
    let filled = stuck.iter().filter(|bin| bin.requests > 0);
    let ratios: Vec<f64> = filled.map(|bin| bin.attempts as f64 / bin.requests as f64).collect();
    let mean = batch_means(&ratios, confidence).ok_or(NoCapacity::TooShort { bins: ratios.len() })?;
    let Interval { low, high, .. } = mean.interval;
    let interval = Interval { low: low.max(1.0), high: high.max(1.0), confidence };
    Ok(Estimate { value: mean.value.max(1.0), interval })
}

/// The ratio of two independent estimates that are above 0, with its interval: the distances of the bounds, in
/// logarithms, add up as squares. Zou and Donner, "Construction of Confidence Limits about Effect Measures", Statistics
/// in Medicine 27 (2008). The confidences must be the same.
pub fn divide(numerator: Estimate, denominator: Estimate) -> Estimate {
    let down = |of: Estimate| (of.value / of.interval.low).ln();
    let up = |of: Estimate| (of.interval.high / of.value).ln();
    let value = numerator.value / denominator.value;
    let interval = Interval {
        low: value * (-down(numerator).hypot(up(denominator))).exp(),
        high: value * up(numerator).hypot(down(denominator)).exp(),
        confidence: numerator.interval.confidence,
    };
    Estimate { value, interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Time = Time::from_secs(1);

    fn exact(value: f64) -> Estimate {
        Estimate::within(value, 0.0, Confidence::P90)
    }

    #[test]
    fn the_retry_storm_of_the_testbed_has_its_stable_rate() {
        // A ramp to 600/s in 40 s of a server that completes 400/s, and 3 attempts per request.
        let successes: Vec<u64> = (0..40).map(|i| (15 * i).min(400)).collect();
        let stuck = [AttemptsBin { requests: 200, attempts: 600 }; 20];
        let ramp = Ramp { successes: &successes, width: SECOND };
        let estimate = capacity_over_amplification(ramp, &stuck, Confidence::P90).unwrap();
        assert!((estimate.value - 400.0 / 3.0).abs() < 1e-9, "{estimate:?}");
        // 1200 successes have a standard deviation of 2.9 %.
        let Interval { low, high, .. } = estimate.interval;
        assert!((121.0..127.0).contains(&low) && (139.0..141.0).contains(&high), "{estimate:?}");
    }

    #[test]
    fn the_capacity_is_the_best_3_s() {
        let best = |successes: &[u64], width| {
            best_throughput(Ramp { successes, width }, Confidence::P90).map(|estimate| estimate.value)
        };
        assert_eq!(best(&[100, 400, 410, 390, 100, 600, 100], SECOND), Some(400.0));
        // Bins of 2 s: the window is 4 s.
        assert_eq!(best(&[100, 400, 800], Time::from_secs(2)), Some(300.0));
        // A bin that is wider than the window is one.
        assert_eq!(best(&[100, 400], Time::from_secs(4)), Some(100.0));
        assert_eq!(best(&[400, 400], SECOND), None);
        assert_eq!(best(&[0; 10], SECOND), None);
        assert_eq!(best(&[], SECOND), None);
    }

    #[test]
    fn the_lower_bound_allows_for_the_best_of_many_windows() {
        let interval = |bins: usize| {
            best_throughput(Ramp { successes: &vec![400; bins], width: SECOND }, Confidence::P90).unwrap().interval
        };
        let (one, many) = (interval(3), interval(60));
        assert_eq!(one.high, many.high);
        // 1.64 and 2.81 standard deviations of sqrt(1200) / 3.
        assert!((one.low - (400.0 - 1.64 * 11.547)).abs() < 0.6, "{one:?}");
        assert!((many.low - (400.0 - 2.81 * 11.547)).abs() < 1.0, "{many:?}");
    }

    #[test]
    fn the_amplification_is_the_mean_of_attempts_per_request() {
        let bins =
            [2.0, 3.0].repeat(10).into_iter().map(|a| AttemptsBin { requests: 100, attempts: (100.0 * a) as u64 });
        let bins: Vec<AttemptsBin> = bins.collect();
        let estimate = amplification(&bins, Confidence::P90).unwrap();
        assert_eq!((estimate.value, estimate.interval.low, estimate.interval.high), (2.5, 2.5, 2.5));
        // Bins without requests say nothing.
        let sparse = [bins, vec![AttemptsBin { requests: 0, attempts: 0 }; 10]].concat();
        assert_eq!(amplification(&sparse, Confidence::P90).unwrap(), estimate);
        assert_eq!(amplification(&sparse[15..], Confidence::P90), Err(NoCapacity::TooShort { bins: 5 }));
        // A request has at least one attempt.
        let none = amplification(&[AttemptsBin { requests: 100, attempts: 90 }; 10], Confidence::P90).unwrap();
        assert_eq!((none.value, none.interval.low), (1.0, 1.0));
    }

    #[test]
    fn the_interval_of_a_ratio_combines_both() {
        let alone = divide(Estimate::within(400.0, 20.0, Confidence::P90), exact(2.0));
        assert!((alone.interval.low - 190.0).abs() < 1e-9 && (alone.interval.high - 210.0).abs() < 1e-9, "{alone:?}");
        let alone = divide(exact(400.0), Estimate::within(2.0, 0.4, Confidence::P90));
        assert!((alone.interval.low - 400.0 / 2.4).abs() < 1e-9 && (alone.interval.high - 250.0).abs() < 1e-9);
        let both = divide(
            Estimate { value: 1.0, interval: Interval { low: 1.0, high: 3f64.exp(), confidence: Confidence::P90 } },
            Estimate { value: 1.0, interval: Interval { low: (-4f64).exp(), high: 1.0, confidence: Confidence::P90 } },
        );
        assert!((both.interval.high - 5f64.exp()).abs() < 1e-9 && both.interval.low == 1.0, "{both:?}");
    }
}
