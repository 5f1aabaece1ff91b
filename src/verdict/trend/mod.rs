//! Whether a backlog grows or shrinks: Theil-Sen's slope and its confidence interval.

use crate::stats::median;

/// A robust line through a series. Slopes are per unit of x.
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
    /// Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): ranks of the sorted slopes
    /// at +-z sigma, with Kendall's variance less its correction for ties in y, and more for points that follow each other. `None` below five points.
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

/// How much more a series wanders whose points follow each other closely, as those of a backlog do: what is open now was
/// mostly open a second ago. Without it a stuck backlog that happens to wander down for 30 s counts as draining.
///
/// (1+r)/(1-r) for the autocorrelation r of the residuals at lag 1, where that is significant: the effective number of
/// observations of Bayley and Hammersley (J. R. Stat. Soc. Suppl. 8, 1946), used as by Hamed and Rao (J. Hydrol. 204,
/// 1998).
fn inflation(points: &[(f64, f64)], slope: f64) -> f64 {
    let n = points.len() as f64;
    let residuals: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let mean = residuals.iter().sum::<f64>() / n;
    let square: f64 = residuals.iter().map(|r| (r - mean).powi(2)).sum();
    let lagged: f64 = residuals.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    let r = lagged / square;
    // Not a number where all residuals are 0.
    if r > Z / n.sqrt() { (1.0 + r.min(0.95)) / (1.0 - r.min(0.95)) } else { 1.0 }
}

fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut ys: Vec<f64> = points.iter().map(|p| p.1).collect();
    ys.sort_unstable_by(f64::total_cmp);
    let ties: f64 = ys.chunk_by(|a, b| a == b).map(|tied| term(tied.len() as f64)).sum();
    (term(points.len() as f64) - ties) / 18.0
}

#[cfg(test)]
mod tests;
