//! The figures that are compared, and whether one is within its bound.

use std::fmt;

use metawrk::stats::percentile;
use metawrk::units::Time;

/// The figures of a distribution of response times, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures([f64; NAMES.len()]);

/// Their names, in this order.
pub const NAMES: [&str; 7] = ["mean", "p50", "p75", "p90", "p99", "p99.9", "max"];

impl Figures {
    /// From the values in the order of [`NAMES`].
    pub fn new(values: [f64; NAMES.len()]) -> Figures {
        Figures(values)
    }

    /// Percentiles follow the rank rule of the reports.
    pub fn of(times: &[Time]) -> Figures {
        let mut samples: Vec<u64> = times.iter().map(|time| time.0).collect();
        let mean = samples.iter().sum::<u64>() as f64 / samples.len().max(1) as f64;
        let mut at = |percent| percentile(&mut samples, percent).unwrap_or(0) as f64;
        Figures([mean, at(50.0), at(75.0), at(90.0), at(99.0), at(99.9), at(100.0)].map(|ns| ns / 1e6))
    }

    /// The standard deviation of each figure over several samples.
    pub fn deviation(samples: &[Figures]) -> Figures {
        let n = samples.len() as f64;
        Figures(std::array::from_fn(|i| {
            let mean = samples.iter().map(|sample| sample.0[i]).sum::<f64>() / n;
            let squares: f64 = samples.iter().map(|sample| (sample.0[i] - mean).powi(2)).sum();
            (squares / (n - 1.0)).sqrt()
        }))
    }

    /// The figure of this name in [`NAMES`].
    pub fn get(&self, name: &str) -> f64 {
        NAMES.iter().position(|known| *known == name).map_or(f64::NAN, |i| self.0[i])
    }
}

/// A figure that was reported, and what it must be. All three values have the same unit.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was measured: the case and the figure.
    pub what: String,
    pub unit: &'static str,
    pub reported: f64,
    pub expected: f64,
    /// The greatest difference that is accepted.
    pub bound: f64,
}

impl Check {
    /// A value that is not a number is never within its bound.
    pub fn holds(&self) -> bool {
        (self.reported - self.expected).abs() <= self.bound
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { what, unit, reported, expected, bound } = self;
        write!(f, "{what}: {reported:.3} {unit}, expected {expected:.3} {unit} within {bound:.3} {unit}")
    }
}
