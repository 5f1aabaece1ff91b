//! How often something happens that was seen rarely or never: the escape rate of a stuck system.

use serde::{Deserialize, Serialize};

use super::interval::{Confidence, Estimate, Interval};
use super::quantiles::{poisson_at_most, solve_increasing};
use crate::units::Time;

/// A rate of events, per second, from how many were seen in an observed time. The events are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventRate {
    /// No event was seen: an upper bound alone.
    AtMost { per_second: f64, confidence: Confidence },
    /// Events were seen: the rate and its interval.
    Between(Estimate),
}

impl EventRate {
    /// The rate of `events` events in `observed`. `None` if nothing was observed.
    ///
    /// * Without events the bound is `-ln(1 - confidence) / observed`. At 95 % that is the rule of three, 3 in the
    ///   observed time: Hanley and Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?", JAMA 249 (1983).
    /// * With events the interval is the exact one for a Poisson mean, a gamma (chi-squared) interval: Garwood,
    ///   "Fiducial Limits for the Poisson Distribution", Biometrika 28 (1936).
    pub fn of(events: u64, observed: Time, confidence: Confidence) -> Option<EventRate> {
        let seconds = observed.as_secs_f64();
        if seconds == 0.0 {
            return None;
        }
        if events == 0 {
            return Some(EventRate::AtMost { per_second: -(1.0 - confidence.as_share()).ln() / seconds, confidence });
        }
        let mean = mean_interval(events, confidence);
        let interval = Interval { low: mean.low / seconds, high: mean.high / seconds, confidence };
        Some(EventRate::Between(Estimate { value: events as f64 / seconds, interval }))
    }
}

/// Garwood's interval of the expected number of events where `events` were seen.
pub(super) fn mean_interval(events: u64, confidence: Confidence) -> Interval {
    let tail = (1.0 - confidence.as_share()) / 2.0;
    // At the lower bound, `events` or more have the probability `tail`; at the upper bound, `events` or fewer.
    let low = match events.checked_sub(1) {
        Some(fewer) => solve_increasing(|mean| 1.0 - poisson_at_most(fewer, mean), tail),
        None => 0.0,
    };
    let high = solve_increasing(|mean| 1.0 - poisson_at_most(events, mean), 1.0 - tail);
    Interval { low, high, confidence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_interval(got: Interval, low: f64, high: f64) {
        let near = |got: f64, want: f64| (got - want).abs() <= 1e-9 * want;
        assert!(near(got.low, low) && near(got.high, high), "{got:?}, not {low}..{high}");
    }

    #[test]
    fn no_escape_in_60_s_is_a_rate_of_at_most_3_in_60_s() {
        let rate = EventRate::of(0, Time::from_secs(60), Confidence::P95);
        let Some(EventRate::AtMost { per_second, confidence }) = rate else { panic!("{rate:?}") };
        assert_eq!(confidence, Confidence::P95);
        assert!((per_second * 60.0 - 2.9957).abs() < 1e-4, "{per_second}");
    }

    /// The first rows are those of Garwood (1936); all were computed again with 60 digits.
    #[test]
    fn intervals_of_a_mean_equal_those_of_garwood() {
        for (events, low, high) in [
            (0, 0.0, 3.688879454113936),
            (1, 0.025317807984289876, 5.571643390938899),
            (5, 1.6234863901184204, 11.668332079322669),
            (10, 4.7953886961324335, 18.39035604201778),
            (50, 37.110963737461866, 65.91876666433681),
            (100, 81.36399125092314, 121.62679379242638),
            (1000, 938.9730184076952, 1063.952136016302),
        ] {
            assert_interval(mean_interval(events, Confidence::P95), low, high);
        }
        assert_interval(mean_interval(3, Confidence::P90), 0.8176914471639534, 7.753656527932727);
    }

    #[test]
    fn the_interval_of_a_rate_is_per_second() {
        let rate = EventRate::of(5, Time::from_secs(100), Confidence::P95);
        let Some(EventRate::Between(estimate)) = rate else { panic!("{rate:?}") };
        assert_eq!(estimate.value, 0.05);
        assert!((estimate.interval.low - 0.016235).abs() < 5e-6, "{estimate:?}");
        assert!((estimate.interval.high - 0.116683).abs() < 5e-6, "{estimate:?}");
    }

    #[test]
    fn without_a_time_there_is_no_rate() {
        assert_eq!(EventRate::of(0, Time::ZERO, Confidence::P95), None);
        assert_eq!(EventRate::of(3, Time::ZERO, Confidence::P95), None);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_count_and_grows_with_the_confidence(events in 1u64..2000) {
            let (narrow, wide) = (mean_interval(events, Confidence::P90), mean_interval(events, Confidence::P95));
            prop_assert!(wide.low < narrow.low && narrow.low < events as f64);
            prop_assert!(wide.high > narrow.high && narrow.high > events as f64);
        }
    }
}
