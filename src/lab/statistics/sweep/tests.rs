use super::*;
use crate::arrivals::RandomStream;

const SECOND: Time = Time::from_secs(1);
const STABLE_RATE: f64 = 120.0;

/// A sweep from `from` requests/s, down to 0, of a system that comes back in the bin of the rate `back`.
fn sweep(slope: f64, from: f64, back: f64) -> Result<DownSweep, InvalidSweep> {
    let rates = (0..).map(|i| from - slope * f64::from(i)).take_while(|rate| *rate > 0.0);
    let bins = rates.map(|rate| SweepBin { rate, goodput: if rate < back { 0.99 } else { 0.04 } }).collect();
    DownSweep::new(slope, SECOND, bins)
}

fn pair(gentle: (f64, f64), steep: (f64, f64)) -> SweepPair {
    let [gentle, steep] = [gentle, steep].map(|(slope, back)| sweep(slope, 300.0, back).unwrap());
    SweepPair::new(gentle, steep).unwrap()
}

#[test]
fn two_sweeps_correct_each_other() {
    // A backlog of 450: sqrt(2 * 1 * 450) = 30, and twice that at four times the slope.
    let pair = pair((1.0, 90.0), (4.0, 60.0));
    assert_eq!(pair.return_rates(), (90.0, 60.0));
    let Estimate { value, interval } = pair.stable_rate(Confidence::P90);
    assert!((value - STABLE_RATE).abs() < 1e-9, "{value}");
    // Variances: 1/12 + 210 * 1/30, four times, and 16/12 + 180 * 4/60.
    let sd = (4.0 * (1.0 / 12.0 + 7.0) + (16.0 / 12.0 + 12.0f64)).sqrt();
    assert!((interval.high - STABLE_RATE - 1.644854 * sd).abs() < 1e-3, "{interval:?}");
}

#[test]
fn other_slopes_extrapolate_to_a_slope_of_zero_too() {
    // 9 too low at 1/s per second, and 27 at nine times the slope.
    let Estimate { value, .. } = pair((1.0, 111.0), (9.0, 93.0)).stable_rate(Confidence::P90);
    assert!((value - STABLE_RATE).abs() < 1e-9, "{value}");
}

#[test]
fn without_a_backlog_the_interval_is_finite() {
    let Estimate { value, interval } = pair((1.0, 120.0), (4.0, 120.0)).stable_rate(Confidence::P90);
    assert_eq!(value, 120.0);
    assert!(interval.low > 90.0 && interval.high < 150.0, "{interval:?}");
}

#[test]
fn the_system_is_back_where_goodput_stays_healthy_for_5_s() {
    let goodputs = [0.0, 0.95, 0.95, 0.95, 0.95, 0.8, 0.9, 0.9, 1.0, 1.0, 0.9, 0.2];
    let bins = |width: Time| {
        let bins = goodputs.iter().enumerate();
        let bins = bins.map(|(i, &goodput)| SweepBin { rate: 200.0 - i as f64, goodput }).collect();
        DownSweep::new(1.0, width, bins)
    };
    assert_eq!(bins(SECOND).unwrap().return_rate, 195.0);
    // Two bins of 3 s are at least 5 s.
    assert_eq!(bins(Time::from_secs(3)).unwrap().return_rate, 200.0);
    assert_eq!(bins(Time::from_millis(500)), Err(InvalidSweep::NeverBack { rate: 189.0 }));
}

#[test]
fn sweeps_that_prove_nothing_are_refused() {
    assert_eq!(sweep(1.0, 300.0, 301.0), Err(InvalidSweep::NotStuck { rate: 300.0 }));
    assert_eq!(sweep(1.0, 300.0, 0.0), Err(InvalidSweep::NeverBack { rate: 1.0 }));
    assert_eq!(sweep(0.0, -1.0, 0.0), Err(InvalidSweep::Shape));
    let up = [100.0, 110.0].map(|rate| SweepBin { rate, goodput: 0.0 });
    assert_eq!(DownSweep::new(1.0, SECOND, up.to_vec()), Err(InvalidSweep::Shape));
    let down = [110.0, 100.0].map(|rate| SweepBin { rate, goodput: 0.0 });
    for (slope, width) in [(0.0, SECOND), (-1.0, SECOND), (f64::NAN, SECOND), (1.0, Time::ZERO)] {
        assert_eq!(DownSweep::new(slope, width, down.to_vec()), Err(InvalidSweep::Shape));
    }
    let (gentle, steep) = (sweep(1.0, 300.0, 90.0).unwrap(), sweep(1.5, 300.0, 90.0).unwrap());
    assert_eq!(SweepPair::new(gentle, steep), Err(InvalidSweep::Slopes { gentle: 1.0, steep: 1.5 }));
}

/// A standard normal number, by Box and Muller, Annals of Mathematical Statistics 29 (1958).
fn draw_normal(random: &mut RandomStream) -> f64 {
    let radius = (-2.0 * (1.0 - random.draw_unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.draw_unit()).cos()
}

/// A system with a backlog that is a random walk. It is healthy from when its backlog is first empty.
fn simulate(slope: f64, backlog: f64, random: &mut RandomStream) -> DownSweep {
    const STEPS: u32 = 5;
    let (mut backlog, mut rate, mut healthy) = (backlog, STABLE_RATE, false);
    let mut bins = vec![SweepBin { rate: STABLE_RATE + slope, goodput: 0.0 }];
    while bins.iter().filter(|bin| bin.goodput > 0.5).count() < 6 {
        // The bin is healthy if the system is healthy from its start.
        bins.push(SweepBin { rate: rate - slope / 2.0, goodput: f64::from(u8::from(healthy)) });
        for _ in 0..STEPS {
            let span = 1.0 / f64::from(STEPS);
            rate -= slope * span;
            backlog += (rate - STABLE_RATE) * span + ((rate + STABLE_RATE) * span).sqrt() * draw_normal(random);
            healthy |= backlog <= 0.0;
        }
    }
    DownSweep::new(slope, SECOND, bins).unwrap()
}

#[test]
fn the_interval_covers_the_stable_rate_of_simulated_sweeps() {
    let mut random = RandomStream::new(14, 0);
    let (mut covered, mut single, mut sum) = (0, 0, 0.0);
    const PAIRS: u32 = 500;
    for _ in 0..PAIRS {
        let [gentle, steep] = [0.5, 2.0].map(|slope| simulate(slope, 900.0, &mut random));
        single += usize::from(gentle.return_rate > 0.9 * STABLE_RATE);
        let Estimate { value, interval } = SweepPair::new(gentle, steep).unwrap().stable_rate(Confidence::P90);
        covered += u32::from(interval.contains(STABLE_RATE));
        sum += value;
    }
    assert_eq!(single, 0);
    let (coverage, mean) = (f64::from(covered) / f64::from(PAIRS), sum / f64::from(PAIRS));
    assert!((0.85..=0.95).contains(&coverage), "{coverage} {mean}");
    assert!((mean / STABLE_RATE - 1.0).abs() < 0.02, "{mean}");
}
