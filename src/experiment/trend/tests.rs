use super::*;

/// As scipy.stats.theilslopes(y, x, 0.95) has them.
#[test]
fn slopes_and_intervals_are_those_of_scipy() {
    for (ys, slope, low, high) in CASES {
        let points: Vec<(f64, f64)> = ys.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect();
        let trend = Trend::through(&points).unwrap();
        for (got, want) in [(trend.slope, slope), (trend.low, low), (trend.high, high)] {
            assert!((got - want).abs() < 1e-12, "{ys:?}: {trend:?}");
        }
    }
}

#[test]
fn a_few_points_have_no_trend() {
    assert_eq!(Trend::through(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]), None);
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
}

type Case = (&'static [f64], f64, f64, f64);
const CASES: [Case; 5] = [
    (&[2.0, 3.0, 5.0, 4.0, 6.0, 8.0, 7.0, 9.0, 11.0, 10.0], 1.0, 0.7142857142857143, 1.25),
    (&[3.0, 3.0, 4.0, 2.0, 3.0, 5.0, 3.0, 4.0, 3.0, 2.0, 4.0, 3.0], 0.0, -0.16666666666666666, 0.16666666666666666),
    (&[100.0, 95.0, 97.0, 90.0, 80.0, 85.0, 70.0, 72.0, 60.0, 66.0, 50.0], -5.0, -5.875, -3.625),
    (&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 0.0, -0.3333333333333333, 1.0),
    (&[5.0, 5.0, 5.0, 5.0, 5.0, 5.0], 0.0, 0.0, 0.0),
];
