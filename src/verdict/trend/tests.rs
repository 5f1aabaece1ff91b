use super::*;

/// The results of scipy.stats.theilslopes(y, x, 0.95).
#[test]
fn slopes_and_intervals_equal_those_of_scipy() {
    for (ys, slope, low, high) in CASES {
        let points: Vec<(f64, f64)> = ys.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect();
        let trend = Trend::through(&points).unwrap();
        for (got, want) in [(trend.slope, slope), (trend.low, low), (trend.high, high)] {
            assert!((got - want).abs() < 1e-12, "{ys:?}: {trend:?}");
        }
    }
}

fn seconds(ys: &[f64]) -> Vec<(f64, f64)> {
    ys.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect()
}

#[test]
fn a_stuck_backlog_that_falls_for_a_while_has_no_significant_trend() {
    // The backlog in the last 30 s of a run of the testbed at 300 requests/s, 3 % of which were answered in time.
    let stuck = [
        2544.0, 2512.0, 2528.0, 2521.0, 2481.0, 2539.0, 2548.0, 2526.0, 2505.0, 2532.0, 2512.0, 2540.0, 2555.0, 2583.0,
        2591.0, 2600.0, 2533.0, 2514.0, 2484.0, 2431.0, 2408.0, 2381.0, 2371.0, 2334.0, 2286.0, 2254.0, 2307.0, 2318.0,
        2370.0, 2434.0, 2444.0,
    ];
    let trend = Trend::through(&seconds(&stuck)).unwrap();
    assert!(trend.slope < -7.0 && trend.high > 0.0, "{trend:?}");
}

#[test]
fn a_draining_backlog_that_varies_has_a_significant_trend() {
    let drains: Vec<f64> = (0..31).map(|i| 2500.0 - 20.0 * f64::from(i) + 40.0 * (f64::from(i) / 4.0).sin()).collect();
    let trend = Trend::through(&seconds(&drains)).unwrap();
    assert!(trend.high < -10.0, "{trend:?}");
}

#[test]
fn fewer_than_five_points_have_no_trend() {
    assert_eq!(Trend::through(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]), None);
}

type Case = (&'static [f64], f64, f64, f64);
const CASES: [Case; 5] = [
    (&[2.0, 3.0, 5.0, 4.0, 6.0, 8.0, 7.0, 9.0, 11.0, 10.0], 1.0, 0.7142857142857143, 1.25),
    (&[3.0, 3.0, 4.0, 2.0, 3.0, 5.0, 3.0, 4.0, 3.0, 2.0, 4.0, 3.0], 0.0, -0.16666666666666666, 0.16666666666666666),
    (&[100.0, 95.0, 97.0, 90.0, 80.0, 85.0, 70.0, 72.0, 60.0, 66.0, 50.0], -5.0, -5.875, -3.625),
    (&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 0.0, -0.3333333333333333, 1.0),
    (&[5.0, 5.0, 5.0, 5.0, 5.0, 5.0], 0.0, 0.0, 0.0),
];
