use super::*;
use crate::arrivals::RandomStream;

const STABLE_RATE: f64 = 120.0;

/// A backlog of 300 requests drains at the rest of the stable rate.
fn recovery(rate: f64, sd_ms: u64) -> SafeRecovery {
    let seconds = 300.0 / (STABLE_RATE - rate);
    SafeRecovery { rate, time: Time((seconds * 1e9) as u64), sd: Time::from_millis(sd_ms) }
}

fn of(recoveries: &[SafeRecovery]) -> SlowingDown {
    slowing_down(recoveries, Confidence::P90).unwrap()
}

#[test]
fn recoveries_that_get_slower_point_to_the_stable_rate() {
    let SlowingDown::Useful(estimate) = of(&[60.0, 80.0, 100.0].map(|rate| recovery(rate, 300))) else { panic!() };
    assert!((estimate.value - STABLE_RATE).abs() < 1e-3, "{estimate:?}");
    assert!(estimate.interval.contains(STABLE_RATE) && estimate.interval.ratio() < 1.1, "{estimate:?}");
}

#[test]
fn the_ends_of_the_interval_are_where_the_line_differs_from_zero_by_z_standard_deviations() {
    // 1/T is 0.2 at 60/s and 0.1 at 90/s, with standard deviations of 0.02 and 0.01.
    let at =
        |rate, time_s: u64, sd_ms| SafeRecovery { rate, time: Time::from_secs(time_s), sd: Time::from_millis(sd_ms) };
    let SlowingDown::Useful(estimate) = of(&[at(60.0, 5, 500), at(90.0, 10, 1000)]) else { panic!() };
    assert!((estimate.value - 120.0).abs() < 1e-9, "{estimate:?}");
    for end in [estimate.interval.low, estimate.interval.high] {
        // The line at `end` is 0.2 (1 - share) + 0.1 share.
        let share = (end - 60.0) / 30.0;
        let height = 0.2 * (1.0 - share) + 0.1 * share;
        let sd = (0.02 * (1.0 - share)).hypot(0.01 * share);
        assert!((height.abs() / sd - Confidence::P90.two_sided_z()).abs() < 1e-6, "{end}: {height} {sd}");
    }
}

#[test]
fn rates_that_are_far_too_low_are_of_no_use() {
    // The same resolution shows the slope between 60 and 100 requests/s, and hardly between 10 and 20.
    assert!(matches!(of(&[60.0, 100.0].map(|rate| recovery(rate, 100))), SlowingDown::Useful(_)));
    let SlowingDown::TooWide(estimate) = of(&[10.0, 20.0].map(|rate| recovery(rate, 50))) else { panic!() };
    assert!(estimate.interval.ratio() > MAX_USEFUL_RATIO, "{estimate:?}");
    assert_eq!(of(&[10.0, 20.0].map(|rate| recovery(rate, 300))), SlowingDown::Unbounded);
}

#[test]
fn recoveries_that_get_faster_have_no_bound() {
    let faster = [recovery(60.0, 10), SafeRecovery { rate: 40.0, ..recovery(100.0, 10) }];
    assert_eq!(of(&faster), SlowingDown::Unbounded);
}

#[test]
fn points_beside_the_line_widen_the_interval() {
    let line = [60.0, 75.0, 90.0, 100.0].map(|rate| recovery(rate, 100));
    let mut scattered = line;
    scattered[1].time = scattered[1].time.plus(Time::from_millis(900));
    scattered[2].time = scattered[2].time.minus(Time::from_millis(900));
    let width = |recoveries: &[SafeRecovery]| match of(recoveries) {
        SlowingDown::Useful(estimate) | SlowingDown::TooWide(estimate) => {
            estimate.interval.high - estimate.interval.low
        }
        SlowingDown::Unbounded => f64::INFINITY,
    };
    assert!(width(&scattered) > 3.0 * width(&line), "{} {}", width(&scattered), width(&line));
}

#[test]
fn recoveries_without_a_line_are_refused() {
    let result = |recoveries: &[SafeRecovery]| slowing_down(recoveries, Confidence::P90);
    assert_eq!(result(&[]), Err(NoLine::OneRate));
    assert_eq!(result(&[recovery(60.0, 300); 3]), Err(NoLine::OneRate));
    let at_once = SafeRecovery { time: Time::ZERO, ..recovery(80.0, 300) };
    assert_eq!(result(&[recovery(60.0, 300), at_once]), Err(NoLine::NoTime { rate: 80.0 }));
    assert_eq!(result(&[recovery(60.0, 300), recovery(80.0, 0)]), Err(NoLine::NoTime { rate: 80.0 }));
}

/// The share of 2,000 simulated intervals that contain the stable rate. The times vary with `sd_ms`, and `known_ms` of
/// it are known.
fn coverage(rates: &[f64], sd_ms: u64, known_ms: u64) -> f64 {
    let mut random = RandomStream::new(9, 0);
    // By Box and Muller, Annals of Mathematical Statistics 29 (1958).
    let mut normal = move || {
        let radius = (-2.0 * (1.0 - random.draw_unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.draw_unit()).cos()
    };
    let covered = (0..2000).filter(|_| {
        let recoveries: Vec<SafeRecovery> = rates
            .iter()
            .map(|&rate| {
                let exact = recovery(rate, known_ms);
                let seconds = exact.time.as_secs_f64() + normal() * sd_ms as f64 / 1e3;
                SafeRecovery { time: Time((seconds * 1e9) as u64), ..exact }
            })
            .collect();
        match of(&recoveries) {
            SlowingDown::Useful(estimate) | SlowingDown::TooWide(estimate) => estimate.interval.contains(STABLE_RATE),
            SlowingDown::Unbounded => true,
        }
    });
    covered.count() as f64 / 2000.0
}

#[test]
fn intervals_cover_the_stable_rate_as_often_as_they_say() {
    let two = coverage(&[60.0, 100.0], 300, 300);
    assert!((0.88..=0.92).contains(&two), "{two}");
    // The wider of two intervals covers more often.
    let four = coverage(&[60.0, 75.0, 90.0, 100.0], 300, 300);
    assert!((0.9..=0.98).contains(&four), "{four}");
    // The distances to the line show a variation that is not known.
    let unknown = coverage(&[60.0, 75.0, 90.0, 100.0], 600, 100);
    assert!((0.85..=0.95).contains(&unknown), "{unknown}");
}
