//! The curve of a map: the shortest outage that tips (D*) falls as the rate grows.

use super::interval::{Estimate, Interval};

/// The least width of an interval, in natural logarithms, that gives a column its weight.
const MIN_WIDTH: f64 = 1e-3;

/// D* at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutageColumn {
    /// In requests/s.
    pub rate: f64,
    /// D*, in seconds, all above 0.
    pub outage: Estimate,
}

/// The decreasing curve that is nearest to the columns: one point per column, by rate, with its band. `None` if an
/// outage is not above 0, or the confidences differ.
///
/// Isotonic regression of ln D*, where a column weighs 1 over the square of its interval's width. The ends of the band
/// are the regressions of the intervals' ends with the same weights, so the band contains the curve and falls as it
/// does. The band holds for each rate alone. Pooling does not narrow it, so it is rather too wide.
pub fn fit_outage_curve(columns: &[OutageColumn]) -> Option<Vec<OutageColumn>> {
    let mut sorted = columns.to_vec();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let Some(confidence) = sorted.first().map(|first| first.outage.interval.confidence) else { return Some(sorted) };
    let valid = |x: f64| x.is_finite() && x > 0.0;
    let usable = |Estimate { value, interval }: Estimate| {
        let ordered = interval.low <= value && value <= interval.high;
        valid(interval.low) && valid(interval.high) && ordered && interval.confidence == confidence
    };
    if !sorted.iter().all(|column| usable(column.outage)) {
        return None;
    }
    let weights: Vec<f64> =
        sorted.iter().map(|column| column.outage.interval.ratio().ln().max(MIN_WIDTH).powi(-2)).collect();
    let fit = |of: fn(&Estimate) -> f64| {
        let logs: Vec<f64> = sorted.iter().map(|column| of(&column.outage).ln()).collect();
        fit_decreasing(&logs, &weights)
    };
    let (values, lows, highs) = (fit(|e| e.value), fit(|e| e.interval.low), fit(|e| e.interval.high));
    let points = sorted.iter().zip(values).zip(lows.into_iter().zip(highs)).map(|((column, value), (low, high))| {
        let interval = Interval { low: low.exp(), high: high.exp(), confidence };
        OutageColumn { rate: column.rate, outage: Estimate { value: value.exp(), interval } }
    });
    Some(points.collect())
}

/// The sequence that never rises and has the least weighted sum of squared distances from `values`: isotonic
/// regression by pooling adjacent violators, Barlow, Bartholomew, Bremner and Brunk, "Statistical Inference under Order
/// Restrictions" (1972). `weights` are as many as `values`, and above 0.
fn fit_decreasing(values: &[f64], weights: &[f64]) -> Vec<f64> {
    struct Block {
        mean: f64,
        weight: f64,
        len: usize,
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (&value, &weight) in values.iter().zip(weights) {
        let mut block = Block { mean: value, weight, len: 1 };
        while let Some(last) = blocks.pop_if(|last| last.mean < block.mean) {
            let weight = last.weight + block.weight;
            let mean = (last.mean * last.weight + block.mean * block.weight) / weight;
            block = Block { mean, weight, len: last.len + block.len };
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean, block.len)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::interval::Confidence;
    use super::*;
    use proptest::prelude::*;

    /// A column whose interval is `value / width .. value * width`.
    fn column(rate: f64, value: f64, width: f64) -> OutageColumn {
        let interval = Interval { low: value / width, high: value * width, confidence: Confidence::P90 };
        OutageColumn { rate, outage: Estimate { value, interval } }
    }

    fn values(curve: &[OutageColumn]) -> Vec<f64> {
        curve.iter().map(|column| column.outage.value).collect()
    }

    #[test]
    fn violators_are_pooled_by_weight() {
        assert_eq!(fit_decreasing(&[5.0, 3.0, 4.0, 1.0], &[1.0; 4]), [5.0, 3.5, 3.5, 1.0]);
        assert_eq!(fit_decreasing(&[5.0, 3.0, 4.0, 1.0], &[1.0, 3.0, 1.0, 1.0]), [5.0, 3.25, 3.25, 1.0]);
        // A late violator pools everything before it.
        assert_eq!(fit_decreasing(&[3.0, 2.0, 1.0, 10.0], &[1.0; 4]), [4.0; 4]);
        assert!(fit_decreasing(&[], &[]).is_empty());
    }

    #[test]
    fn a_curve_that_falls_is_its_columns_by_rate() {
        let columns = [column(300.0, 0.2, 1.2), column(140.0, 0.5, 1.1), column(200.0, 0.3, 1.3)];
        let curve = fit_outage_curve(&columns).unwrap();
        assert_eq!(curve.iter().map(|column| column.rate).collect::<Vec<_>>(), [140.0, 200.0, 300.0]);
        for (point, want) in curve.iter().zip([columns[1], columns[2], columns[0]]) {
            let (got, want) = (point.outage, want.outage);
            assert!((got.value - want.value).abs() < 1e-12);
            assert!((got.interval.low - want.interval.low).abs() < 1e-12);
            assert!((got.interval.high - want.interval.high).abs() < 1e-12);
        }
    }

    #[test]
    fn columns_that_rise_meet_at_their_weighted_geometric_mean() {
        let curve = fit_outage_curve(&[column(200.0, 0.2, 1.2), column(240.0, 0.8, 1.2)]).unwrap();
        assert!(values(&curve).iter().all(|value| (value - 0.4).abs() < 1e-12), "{curve:?}");
        // The wider interval weighs a quarter: ln 1.44 is twice ln 1.2.
        let curve = fit_outage_curve(&[column(200.0, 0.2, 1.2), column(240.0, 0.8, 1.44)]).unwrap();
        let mean = (0.8 * 0.2f64.ln() + 0.2 * 0.8f64.ln()).exp();
        assert!(values(&curve).iter().all(|value| (value - mean).abs() < 1e-12), "{curve:?}");
    }

    #[test]
    fn unusable_columns_have_no_curve() {
        let mixed = {
            let mut other = column(240.0, 0.3, 1.2);
            other.outage.interval.confidence = Confidence::P95;
            [column(200.0, 0.3, 1.2), other]
        };
        assert_eq!(fit_outage_curve(&mixed), None);
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(fit_outage_curve(&[column(200.0, value, 1.2)]), None, "{value}");
        }
        assert_eq!(fit_outage_curve(&[]), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn the_curve_falls_inside_of_its_band(
            columns in prop::collection::vec((50.0..500.0f64, 0.01..20.0f64, 1.0..3.0f64), 1..12)
        ) {
            let columns: Vec<OutageColumn> = columns.into_iter().map(|(rate, d, w)| column(rate, d, w)).collect();
            let curve = fit_outage_curve(&columns).unwrap();
            prop_assert!(curve.is_sorted_by(|a, b| a.outage.value >= b.outage.value));
            prop_assert!(curve.is_sorted_by(|a, b| a.outage.interval.low >= b.outage.interval.low));
            for point in curve {
                let Estimate { value, interval } = point.outage;
                prop_assert!(interval.low <= value * (1.0 + 1e-9) && value <= interval.high * (1.0 + 1e-9));
            }
        }
    }
}
