//! Estimates and their confidence intervals.

use serde::{Deserialize, Serialize};

use super::quantiles::{normal_central, solve_increasing, student_central};
use crate::units::format_three_digits;

/// How often intervals of this kind contain the true value: a share from 0.5 to 0.9999.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

/// A confidence that no interval here can have.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a confidence. Use a share from 0.5 to 0.9999, such as 0.95")]
pub struct InvalidConfidence(f64);

impl Confidence {
    pub const P90: Confidence = Confidence(0.9);
    pub const P95: Confidence = Confidence(0.95);

    /// The confidence that is nearest to `share`, which is not NaN.
    pub(super) const fn clamped(share: f64) -> Confidence {
        Confidence(share.clamp(0.5, 0.9999))
    }

    pub const fn as_share(self) -> f64 {
        self.0
    }

    /// z, in standard deviations: a normal number is within `±z` with this confidence. 1.96 for 95 %.
    pub fn two_sided_z(self) -> f64 {
        solve_increasing(normal_central, self.0)
    }

    /// z, in standard deviations: a normal number is below `z` with this confidence. 1.645 for 95 %.
    pub fn one_sided_z(self) -> f64 {
        solve_increasing(normal_central, 2.0 * self.0 - 1.0)
    }

    /// t: a number of Student's distribution with `freedom` (at least 1) degrees of freedom is within `±t` with this
    /// confidence. It replaces z where the standard deviation was estimated from few samples.
    pub fn two_sided_t(self, freedom: u32) -> f64 {
        solve_increasing(|t| student_central(t, freedom), self.0)
    }
}

impl TryFrom<f64> for Confidence {
    type Error = InvalidConfidence;

    fn try_from(share: f64) -> Result<Confidence, InvalidConfidence> {
        if (0.5..=0.9999).contains(&share) { Ok(Confidence(share)) } else { Err(InvalidConfidence(share)) }
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> f64 {
        confidence.0
    }
}

/// A two-sided confidence interval, in the unit of what it bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub confidence: Confidence,
}

impl Interval {
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// `high / low`: how precisely a positive quantity is known. 1 is exact.
    pub fn ratio(self) -> f64 {
        self.high / self.low
    }
}

/// An estimate and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub interval: Interval,
}

impl Estimate {
    /// `0.31 s (0.28..0.34, 90 %)`
    pub fn to_text(&self, unit: &str) -> String {
        let [value, low, high] = [self.value, self.interval.low, self.interval.high].map(format_three_digits);
        let percent = 100.0 * self.interval.confidence.as_share();
        format!("{value} {unit} ({low}..{high}, {percent:.0} %)")
    }

    /// The estimate `value ± margin`.
    pub fn within(value: f64, margin: f64, confidence: Confidence) -> Estimate {
        Estimate { value, interval: Interval { low: value - margin, high: value + margin, confidence } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(got: f64, want: f64) {
        assert!((got / want - 1.0).abs() < 1e-9, "{got}, not {want}");
    }

    #[test]
    fn normal_quantiles_equal_those_of_tables() {
        let of = |share| Confidence::try_from(share).unwrap();
        for (share, two_sided, one_sided) in [
            (0.9, 1.644853626951472, 1.2815515655446),
            (0.95, 1.959963984540054, 1.644853626951472),
            (0.99, 2.5758293035489, 2.326347874040841),
            (0.9999, 3.890591886413094, 3.719016485455709),
        ] {
            assert_near(of(share).two_sided_z(), two_sided);
            assert_near(of(share).one_sided_z(), one_sided);
        }
        assert!(of(0.5).one_sided_z().abs() < 1e-9);
    }

    #[test]
    fn student_quantiles_equal_those_of_tables() {
        for (freedom, t) in [
            (1, 12.706204736174698),
            (2, 4.302652729749464),
            (3, 3.18244630528371),
            (4, 2.776445105197793),
            (9, 2.262157162798205),
            (10, 2.228138851986274),
            (30, 2.042272456301238),
            (1000, 1.962339080826408),
        ] {
            assert_near(Confidence::P95.two_sided_t(freedom), t);
        }
        assert_near(Confidence::P90.two_sided_t(1), 6.313751514675041);
    }

    #[test]
    fn a_confidence_is_a_share_that_an_interval_can_have() {
        for share in [0.0, 0.4, 1.0, 95.0, -0.9, f64::NAN, f64::INFINITY] {
            assert!(Confidence::try_from(share).is_err(), "{share}");
        }
        assert_eq!(serde_json::to_string(&Confidence::P95).unwrap(), "0.95");
        assert_eq!(serde_json::from_str::<Confidence>("0.9").unwrap(), Confidence::P90);
        let error = serde_json::from_str::<Confidence>("95").unwrap_err().to_string();
        assert!(error.contains("95 is not a confidence. Use a share from 0.5 to 0.9999, such as 0.95"), "{error}");
    }
}
