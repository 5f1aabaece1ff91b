//! The stable rate without tipping the system: near its boundary a system recovers more slowly.
//!
//! 1/T, with T the time of a recovery, falls linearly with the rate and is 0 at the stable rate. Two or three small
//! outages at safe rates show where: critical slowing down, Scheffer et al., "Early-Warning Signals for Critical
//! Transitions", Nature 461 (2009).

use super::interval::{Confidence, Estimate, Interval};
use crate::units::Time;

/// An interval whose `high / low` is greater does not help.
pub const MAX_USEFUL_RATIO: f64 = 1.5;

/// A recovery at a safe rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SafeRecovery {
    /// In requests/s.
    pub rate: f64,
    /// T: from the verified removal of the fault to the recovery.
    pub time: Time,
    /// The standard deviation of `time`: at least that of its resolution, a bin / sqrt(12).
    pub sd: Time,
}

/// The stable rate in requests/s, by how much it helps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SlowingDown {
    Useful(Estimate),
    /// The interval is too wide to be of use, often because the rates are far below the stable rate.
    TooWide(Estimate),
    /// The recoveries do not get slower with the rate by more than chance: there is no upper bound.
    Unbounded,
}

/// Recoveries that have no line.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoLine {
    #[error("the recoveries are at fewer than two rates. Let the system recover at another rate too")]
    OneRate,
    #[error("the recovery at {rate} requests/s took no time, or its standard deviation is 0. Use a longer outage")]
    NoTime { rate: f64 },
}

/// Extrapolates 1/T to 0.
///
/// A line by least squares, weighted by the variance of 1/T, `(sd / T^2)^2`. The interval of its zero is Fieller's:
/// "Some Problems in Interval Estimation", J. R. Stat. Soc. B 16 (1954). From three recoveries on, Student's interval
/// from the distances to the line is computed too, and the wider of both counts: the times vary by more than they are
/// resolved, and with few recoveries the distances may be small by chance.
pub fn slowing_down(recoveries: &[SafeRecovery], confidence: Confidence) -> Result<SlowingDown, NoLine> {
    if let Some(bad) = recoveries.iter().find(|r| r.time == Time::ZERO || r.sd == Time::ZERO) {
        return Err(NoLine::NoTime { rate: bad.rate });
    }
    if recoveries.iter().all(|r| r.rate == recoveries[0].rate) {
        return Err(NoLine::OneRate);
    }
    let line = Line::through(recoveries);
    let z = confidence.two_sided_z();
    let critical_square = match recoveries.len() as u32 - 2 {
        0 => z.powi(2),
        freedom => {
            let t = confidence.two_sided_t(freedom);
            z.powi(2).max(t.powi(2) * line.chi_squared(recoveries) / f64::from(freedom))
        }
    };
    Ok(match line.zero(critical_square, confidence) {
        Some(estimate) if estimate.interval.ratio() <= MAX_USEFUL_RATIO && estimate.interval.low > 0.0 => {
            SlowingDown::Useful(estimate)
        }
        Some(estimate) => SlowingDown::TooWide(estimate),
        None => SlowingDown::Unbounded,
    })
}

/// `1/T = height + slope * (rate - centre)`. Around the weighted mean of the rates, height and slope are independent.
struct Line {
    centre: f64,
    height: f64,
    slope: f64,
    height_variance: f64,
    slope_variance: f64,
}

/// 1/T in 1/s, and its weight: 1 over its variance.
fn inverse(recovery: &SafeRecovery) -> (f64, f64) {
    let (time, sd) = (recovery.time.as_secs_f64(), recovery.sd.as_secs_f64());
    (1.0 / time, (time * time / sd).powi(2))
}

impl Line {
    fn through(recoveries: &[SafeRecovery]) -> Line {
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            let terms = recoveries.iter().map(|recovery| {
                let (y, weight) = inverse(recovery);
                weight * of(recovery.rate, y)
            });
            terms.sum::<f64>()
        };
        let weight = sum(&|_, _| 1.0);
        let (centre, height) = (sum(&|x, _| x) / weight, sum(&|_, y| y) / weight);
        let spread = sum(&|x, _| (x - centre).powi(2));
        let slope = sum(&|x, y| (x - centre) * (y - height)) / spread;
        Line { centre, height, slope, height_variance: 1.0 / weight, slope_variance: 1.0 / spread }
    }

    /// The weighted sum of the squared distances to the line.
    fn chi_squared(&self, recoveries: &[SafeRecovery]) -> f64 {
        let distance = |recovery: &SafeRecovery, y: f64| y - self.height - self.slope * (recovery.rate - self.centre);
        let terms = recoveries.iter().map(|recovery| {
            let (y, weight) = inverse(recovery);
            weight * distance(recovery, y).powi(2)
        });
        terms.sum()
    }

    /// Where the line is 0: all rates at which its square is at most `critical_square` times its variance. `None` if
    /// they have no upper bound, because the line may as well not fall.
    fn zero(&self, critical_square: f64, confidence: Confidence) -> Option<Estimate> {
        let Line { centre, height, slope, height_variance, slope_variance } = *self;
        // slope^2 u^2 + 2 height slope u + height^2 <= critical^2 (height_variance + slope_variance u^2), with u the
        // distance from the centre.
        let square = slope.powi(2) - critical_square * slope_variance;
        let falls = slope < 0.0 && square > 0.0;
        let root = (critical_square * (square * height_variance + height.powi(2) * slope_variance)).sqrt();
        let end = |sign: f64| centre + (-height * slope + sign * root) / square;
        let interval = Interval { low: end(-1.0), high: end(1.0), confidence };
        falls.then_some(Estimate { value: centre - height / slope, interval })
    }
}

#[cfg(test)]
mod tests;
