//! Whether a backlog grows or shrinks: the Theil-Sen slope and its confidence interval.

use crate::stats::median;

/// The slope of a robust line through a series, per unit of x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The median of the slopes between all pairs of points.
    pub slope: f64,
    /// Sen's 95 % confidence interval.
    pub low: f64,
    pub high: f64,
}

/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl Trend {
    /// The trend of at least five points; `None` for fewer.
    ///
    /// Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): the ranks of the sorted
    /// slopes at +-z sigma. Kendall's variance is corrected for ties in y and for autocorrelation.
    pub fn through(points: &[(f64, f64)]) -> Option<Trend> {
        let n = points.len();
        if n < 5 {
            return None;
        }
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (points[i], points[j])));
        let mut slopes: Vec<f64> = pairs.filter(|(a, b)| a.0 != b.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
        slopes.sort_unstable_by(f64::total_cmp);
        let slope = median(&slopes)?;
        let sigma = (kendall_variance(points) * inflation(points, slope)).sqrt();
        let count = slopes.len() as f64;
        let rank = |at: f64| at.round().clamp(0.0, count - 1.0) as usize;
        Some(Trend {
            slope,
            low: *slopes.get(rank((count - Z * sigma) / 2.0 - 1.0))?,
            high: *slopes.get(rank((count + Z * sigma) / 2.0))?,
        })
    }
}

/// The factor by which autocorrelation increases the variance. A backlog is autocorrelated, since most of its requests
/// were already in it a second ago. Without this factor a stuck backlog that happens to fall for 30 s counts as
/// draining.
///
/// (1+r)/(1-r) for the lag-1 autocorrelation r of the residuals, where it is significant: the effective number of
/// observations of Bayley and Hammersley (J. R. Stat. Soc. Suppl. 8, 1946), used as by Hamed and Rao (J. Hydrol. 204,
/// 1998).
fn inflation(points: &[(f64, f64)], slope: f64) -> f64 {
    let n = points.len() as f64;
    let residuals: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let mean = residuals.iter().sum::<f64>() / n;
    let square: f64 = residuals.iter().map(|r| (r - mean).powi(2)).sum();
    let lagged: f64 = residuals.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    let r = lagged / square;
    // r is NaN if all residuals are 0.
    if r > Z / n.sqrt() { (1.0 + r.min(0.95)) / (1.0 - r.min(0.95)) } else { 1.0 }
}

fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut ys: Vec<f64> = points.iter().map(|p| p.1).collect();
    ys.sort_unstable_by(f64::total_cmp);
    let ties: f64 = ys.chunk_by(|a, b| a == b).map(|tied| term(tied.len() as f64)).sum();
    (term(points.len() as f64) - ties) / 18.0
}

/// Whether a backlog grows for a reason: its slope is positive with 95 % confidence (one bound of the interval), and the
/// growth is at least 2 % of the load and four standard deviations of a Poisson backlog of its size (the square root).
pub fn backlog_grows(backlog: &[(f64, f64)], rate: f64) -> bool {
    let (Some(trend), Some((span, mean))) = (Trend::through(backlog), span_and_mean(backlog)) else { return false };
    trend.low > 0.0 && trend.slope * span >= (0.02 * rate * span).max(4.0 * mean.sqrt() + 5.0)
}

/// Whether a backlog of this trend is smaller at its end by more than random variation. A system that fails fast has a
/// backlog of a few requests, which varies.
pub fn backlog_drops(backlog: &[(f64, f64)], trend: Trend) -> bool {
    span_and_mean(backlog).is_some_and(|(span, mean)| -trend.slope * span >= 2.0 * mean.sqrt() + 3.0)
}

/// The span of x and the mean of y; `None` without points.
fn span_and_mean(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (first, last) = (points.first()?, points.last()?);
    Some((last.0 - first.0, points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64))
}

#[cfg(test)]
mod tests;
