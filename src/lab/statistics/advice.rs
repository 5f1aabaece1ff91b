//! How much load to shed, and for how long, to get a stuck system out.

use crate::units::Time;

/// The part of the stable rate that is admitted while the backlog drains. The rest of it drains the backlog.
const ADMITTED: f64 = 0.9;

/// A shorter shed would hardly be noticed by clients that retry.
const MIN_DURATION: Time = Time::from_secs(5);

/// Advice for operators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShedAdvice {
    /// The share of the requests to shed, from 0 to 1.
    pub share: f64,
    /// For how long.
    pub duration: Time,
}

impl ShedAdvice {
    /// The advice at `rate` for a system that is stable below `stable_rate` (both in requests/s) and holds a backlog of
    /// `backlog` requests. `None` if nothing needs to be shed: `rate` is at most 0.9 of `stable_rate`.
    ///
    /// `1 - 0.9 stable_rate/rate` of the load leaves a tenth of the stable rate to drain the backlog, which takes
    /// `backlog / (0.1 stable_rate)`, but at least 5 s. If the stable rate is an estimate, its lower bound gives the safer advice.
    pub fn of(rate: f64, stable_rate: f64, backlog: f64) -> Option<ShedAdvice> {
        if !(stable_rate > 0.0 && rate > ADMITTED * stable_rate && rate.is_finite() && backlog.is_finite()) {
            return None;
        }
        let seconds = backlog / ((1.0 - ADMITTED) * stable_rate);
        let duration = Time((seconds * 1e9).round() as u64).max(MIN_DURATION);
        Some(ShedAdvice { share: 1.0 - ADMITTED * stable_rate / rate, duration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_system_sheds_down_to_nine_tenths_of_the_stable_rate() {
        let advice = ShedAdvice::of(300.0, 121.0, 302.5).unwrap();
        assert!((advice.share - 0.637).abs() < 1e-9, "{advice:?}");
        assert_eq!(advice.duration, Time::from_secs(25));
    }

    #[test]
    fn a_load_that_the_system_can_carry_is_not_shed() {
        assert_eq!(ShedAdvice::of(100.0, 121.0, 50.0), None);
        // Between 0.9 of the stable rate and the stable rate there is too little left to drain a backlog.
        let advice = ShedAdvice::of(121.0, 121.0, 0.0).unwrap();
        assert!((advice.share - 0.1).abs() < 1e-9 && advice.duration == MIN_DURATION, "{advice:?}");
    }

    #[test]
    fn without_a_stable_rate_there_is_no_advice() {
        for stable_rate in [0.0, -1.0, f64::NAN] {
            assert_eq!(ShedAdvice::of(300.0, stable_rate, 10.0), None);
        }
        assert_eq!(ShedAdvice::of(f64::INFINITY, 121.0, 10.0), None);
        assert_eq!(ShedAdvice::of(300.0, 121.0, f64::NAN), None);
    }
}
