//! The stable rate from two sweeps: from stuck, the rate is lowered until the system comes back.
//!
//! A single sweep finds a rate that is too low, by up to half: while the rate falls, the backlog of the stuck system
//! has to drain. With the slope eps and the backlog N, the load falls below the stable rate by sqrt(2 eps N) until it
//! has. A second, steeper sweep falls below it by more, and both together give the rate without the backlog. Therefore
//! a [`DownSweep`] does not show at which rate the system came back. Only a [`SweepPair`] does.

use super::interval::{Confidence, Estimate};
use crate::units::{Time, format_three_digits};
use crate::verdict::HEALTHY;

/// How long goodput must be healthy to count.
const WATCHED: Time = Time::from_secs(5);

/// The least ratio of the two slopes. Sweeps with nearly the same slope have nearly the same bias.
const MIN_SLOPE_RATIO: f64 = 2.0;

/// One bin of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepBin {
    /// The rate in the middle of the bin, in requests/s.
    pub rate: f64,
    /// The share of good answers among the requests due in the bin, relative to the baseline's: 1 is as before.
    pub goodput: f64,
}

/// A sweep from stuck to healthy at falling rates.
#[derive(Clone, Debug, PartialEq)]
pub struct DownSweep {
    slope: f64,
    width: Time,
    bins: Vec<SweepBin>,
    /// The rate of the last bin before goodput stayed healthy.
    return_rate: f64,
}

/// Two sweeps of different slopes, the gentle one first. Both start stuck with about the same backlog.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepPair {
    gentle: DownSweep,
    steep: DownSweep,
}

/// Why sweeps have no result.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidSweep {
    #[error("a sweep needs a slope above 0 and bins of falling rates")]
    Shape,
    #[error(
        "the system was healthy from the start of the sweep, at {} requests/s. Start from stuck",
        format_three_digits(*rate)
    )]
    NotStuck { rate: f64 },
    #[error(
        "the system was still stuck at the end of the sweep, at {} requests/s. Check with `metawrk certify` whether it \
         recovers without load",
        format_three_digits(*rate)
    )]
    NeverBack { rate: f64 },
    #[error(
        "the slopes {gentle} and {steep} are too similar. The second must be at least \
         {MIN_SLOPE_RATIO} times the first"
    )]
    Slopes { gentle: f64, steep: f64 },
}

impl DownSweep {
    /// A sweep that lowers the rate by `slope` requests/s in each second, in bins of `width`.
    ///
    /// The system is back from the first bin on from which goodput is at least 0.9 for 5 s. It came back in the bin
    /// before, whose rate counts.
    pub fn new(slope: f64, width: Time, bins: Vec<SweepBin>) -> Result<DownSweep, InvalidSweep> {
        let falls = bins.is_sorted_by(|a, b| a.rate > b.rate);
        let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Err(InvalidSweep::Shape) };
        if !(slope.is_finite() && slope > 0.0 && width > Time::ZERO && falls) {
            return Err(InvalidSweep::Shape);
        }
        let watched = WATCHED.0.div_ceil(width.0) as usize;
        let back = bins.windows(watched).position(|bins| bins.iter().all(|bin| bin.goodput >= HEALTHY));
        match back {
            None => Err(InvalidSweep::NeverBack { rate: last.rate }),
            Some(0) => Err(InvalidSweep::NotStuck { rate: first.rate }),
            Some(i) => Ok(DownSweep { slope, width, return_rate: bins[i - 1].rate, bins }),
        }
    }

    /// For a figure.
    pub fn bins(&self) -> &[SweepBin] {
        &self.bins
    }

    /// The variance of the return rate of a system with this stable rate.
    ///
    /// The rate is known to a bin: its square / 12. And the backlog is a random walk of the variance rate lambda + mu
    /// while it drains, which changes when it is gone. It is gone after D/eps, D below the stable rate, where it falls
    /// by D a second: (lambda + mu) (D/eps) (eps/D)^2. Within (8 mu eps)^(1/3) of the stable rate the walk is stronger
    /// than the fall, so D counts as at least that.
    fn variance(&self, stable_rate: f64) -> f64 {
        let step = self.slope * self.width.as_secs_f64();
        let drop = (stable_rate - self.return_rate).max((8.0 * stable_rate * self.slope).cbrt());
        step * step / 12.0 + (stable_rate + self.return_rate) * self.slope / drop
    }
}

impl SweepPair {
    pub fn new(gentle: DownSweep, steep: DownSweep) -> Result<SweepPair, InvalidSweep> {
        if steep.slope < MIN_SLOPE_RATIO * gentle.slope {
            return Err(InvalidSweep::Slopes { gentle: gentle.slope, steep: steep.slope });
        }
        Ok(SweepPair { gentle, steep })
    }

    pub fn gentle(&self) -> &DownSweep {
        &self.gentle
    }

    pub fn steep(&self) -> &DownSweep {
        &self.steep
    }

    /// How many times as fast the steep sweep was.
    pub fn slope_ratio(&self) -> f64 {
        self.steep.slope / self.gentle.slope
    }

    /// The rates at which the two sweeps came back, in requests/s. Each alone is too low.
    pub fn return_rates(&self) -> (f64, f64) {
        (self.gentle.return_rate, self.steep.return_rate)
    }

    /// The stable rate in requests/s. For slopes of eps and 4 eps it is twice the gentle return rate minus the steep
    /// one, for other slopes the same extrapolation to a slope of 0: the bias grows with the square root of the slope
    /// (Richardson, Philos. Trans. R. Soc. A 210 (1911)).
    pub fn stable_rate(&self, confidence: Confidence) -> Estimate {
        let (gentle, steep) = self.return_rates();
        let k = (self.steep.slope / self.gentle.slope).sqrt();
        let value = (k * gentle - steep) / (k - 1.0);
        let sd = (k * k * self.gentle.variance(value) + self.steep.variance(value)).sqrt() / (k - 1.0);
        Estimate::within(value, confidence.two_sided_z() * sd, confidence)
    }
}

#[cfg(test)]
mod tests;
