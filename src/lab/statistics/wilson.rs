//! Shares of requests or runs, and Wilson's interval.

use serde::{Deserialize, Serialize};

use super::interval::{Confidence, Interval};

/// How many of a number of trials (requests, runs) were successes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Counts", into = "Counts")]
pub struct Proportion {
    successes: u64,
    trials: u64,
}

/// More successes than trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{successes} of {trials} is not a proportion: there are more successes than trials")]
pub struct InvalidProportion {
    successes: u64,
    trials: u64,
}

/// A proportion as it is written.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Counts {
    successes: u64,
    trials: u64,
}

impl Proportion {
    pub fn new(successes: u64, trials: u64) -> Result<Proportion, InvalidProportion> {
        let valid = successes <= trials;
        if valid { Ok(Proportion { successes, trials }) } else { Err(InvalidProportion { successes, trials }) }
    }

    pub const fn successes(self) -> u64 {
        self.successes
    }

    pub const fn trials(self) -> u64 {
        self.trials
    }

    /// The share of successes, from 0 to 1. 0 without trials.
    pub fn share(self) -> f64 {
        crate::stats::ratio(self.successes as f64, self.trials as f64)
    }

    /// Wilson's score interval of the true share: "Probable Inference, the Law of Succession, and Statistical
    /// Inference", JASA 22 (1927). Without trials it is 0 to 1.
    ///
    /// It takes the trials as independent. The requests of a system that is stuck are not quite: the true share is then
    /// less certain than the interval says.
    pub fn interval(self, confidence: Confidence) -> Interval {
        let (low, high) = self.bounds(confidence.two_sided_z());
        Interval { low, high, confidence }
    }

    /// The true share is at least this, by one bound of Wilson's interval.
    pub fn at_least(self, confidence: Confidence) -> f64 {
        self.bounds(confidence.one_sided_z()).0
    }

    /// The true share is at most this, by one bound of Wilson's interval.
    pub fn at_most(self, confidence: Confidence) -> f64 {
        self.bounds(confidence.one_sided_z()).1
    }

    /// The shares whose distance from the observed one is at most `z` of their own standard deviations.
    fn bounds(self, z: f64) -> (f64, f64) {
        if self.trials == 0 {
            return (0.0, 1.0);
        }
        let (n, share, square) = (self.trials as f64, self.share(), z * z);
        let centre = share + square / (2.0 * n);
        let margin = z * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
        let scale = 1.0 + square / n;
        // Without failures the upper bound is 1, and without successes the lower is 0, but for rounding.
        let low = if self.successes == 0 { 0.0 } else { (centre - margin) / scale };
        let high = if self.successes == self.trials { 1.0 } else { (centre + margin) / scale };
        (low, high)
    }
}

impl TryFrom<Counts> for Proportion {
    type Error = InvalidProportion;

    fn try_from(counts: Counts) -> Result<Proportion, InvalidProportion> {
        Proportion::new(counts.successes, counts.trials)
    }
}

impl From<Proportion> for Counts {
    fn from(proportion: Proportion) -> Counts {
        Counts { successes: proportion.successes, trials: proportion.trials }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(successes: u64, trials: u64) -> Proportion {
        Proportion::new(successes, trials).unwrap()
    }

    fn assert_bounds(got: (f64, f64), want: (f64, f64)) {
        assert!((got.0 - want.0).abs() < 5e-5 && (got.1 - want.1).abs() < 5e-5, "{got:?}, not {want:?}");
    }

    /// Newcombe, "Two-Sided Confidence Intervals for the Single Proportion", Statistics in Medicine 17 (1998), table I,
    /// method 3.
    #[test]
    fn two_sided_intervals_equal_those_of_newcombe() {
        for (successes, trials, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let interval = of(successes, trials).interval(Confidence::P95);
            assert_bounds((interval.low, interval.high), (low, high));
        }
    }

    #[test]
    fn five_of_five_is_57_to_100_percent() {
        let interval = of(5, 5).interval(Confidence::P95);
        assert_bounds((interval.low, interval.high), (0.5655, 1.0));
        assert_eq!(interval.high, 1.0);
    }

    #[test]
    fn a_single_bound_is_the_bound_of_the_two_sided_interval_at_twice_the_error() {
        let (proportion, two_sided) = (of(15, 148), of(15, 148).interval(Confidence::P90));
        let (low, high) = (proportion.at_least(Confidence::P95), proportion.at_most(Confidence::P95));
        assert_bounds((low, high), (two_sided.low, two_sided.high));
    }

    #[test]
    fn without_trials_nothing_is_known() {
        let interval = of(0, 0).interval(Confidence::P95);
        assert_eq!((interval.low, interval.high, of(0, 0).share()), (0.0, 1.0, 0.0));
    }

    #[test]
    fn more_successes_than_trials_are_refused() {
        assert!(Proportion::new(6, 5).is_err());
        let error = serde_json::from_str::<Proportion>(r#"{"successes":6,"trials":5}"#).unwrap_err().to_string();
        assert!(error.contains("6 of 5 is not a proportion"), "{error}");
        let text = serde_json::to_string(&of(4, 5)).unwrap();
        assert_eq!(serde_json::from_str::<Proportion>(&text).unwrap(), of(4, 5));
    }

    proptest! {
        #[test]
        fn an_interval_contains_the_share_and_mirrors_with_it(trials in 1u64..100_000, part in 0.0..=1.0f64) {
            let successes = (part * trials as f64) as u64;
            let (proportion, mirrored) = (of(successes, trials), of(trials - successes, trials));
            let (interval, other) = (proportion.interval(Confidence::P95), mirrored.interval(Confidence::P95));
            prop_assert!(0.0 <= interval.low && interval.high <= 1.0);
            prop_assert!(interval.contains(proportion.share()), "{interval:?}");
            prop_assert!((interval.low + other.high - 1.0).abs() < 1e-9);
        }
    }
}
