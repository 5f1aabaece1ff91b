//! The distributions, tested by the gaps of their streams.

use super::*;

/// Gaps in multiples of their expected mean, sorted.
fn gaps(process: ArrivalProcess, rate: f64, n: usize) -> Vec<f64> {
    let dues = dues(process, rate, 0, 1, n + 1);
    let mut gaps: Vec<f64> = dues.windows(2).map(|w| (w[1] - w[0]) as f64 * rate / 1e9).collect();
    gaps.sort_by(f64::total_cmp);
    gaps
}

/// The greatest distance between the empirical distribution of `sorted` and the distribution function `below`.
fn kolmogorov_smirnov(sorted: &[f64], below: impl Fn(f64) -> f64) -> f64 {
    let n = sorted.len() as f64;
    let distances = sorted.iter().zip(0u32..).map(|(gap, i)| {
        let (expected, i) = (below(*gap), f64::from(i));
        (expected - i / n).abs().max((expected - (i + 1.0) / n).abs())
    });
    distances.fold(0.0, f64::max)
}

/// The distribution function of the standard normal distribution, by summing its density.
fn normal_below(z: f64) -> f64 {
    let step = (z + 8.0) / 2000.0;
    let density = |i: u32| (-0.5 * (-8.0 + (f64::from(i) + 0.5) * step).powi(2)).exp();
    (0..2000).map(density).sum::<f64>() * step / std::f64::consts::TAU.sqrt()
}

fn mean(gaps: &[f64]) -> f64 {
    gaps.iter().sum::<f64>() / gaps.len() as f64
}

const N: usize = 20_000;
/// The 1 % critical value, times the square root of n.
const CRITICAL: f64 = 1.63;

#[test]
fn streams_repeat_with_the_seed_and_differ_by_thread_and_seed() {
    for process in [ArrivalProcess::Exp, ArrivalProcess::Norm, ArrivalProcess::Zipf] {
        let gaps = |seed, thread| {
            let dues =
                Arrivals::new(process, &Rate::constant(100.0), seed, ThreadShare::new(thread, 2)).map(|a| a.due.0);
            let dues: Vec<u64> = dues.take(50).collect();
            dues.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>()
        };
        assert_eq!(gaps(7, 0), gaps(7, 0));
        assert_ne!(gaps(7, 0), gaps(7, 1));
        assert_ne!(gaps(7, 0), gaps(8, 0));
    }
}

#[test]
fn poisson_gaps_pass_kolmogorov_smirnov() {
    let distance = kolmogorov_smirnov(&gaps(ArrivalProcess::Exp, 500.0, N), |gap| 1.0 - (-gap).exp());
    assert!(distance < CRITICAL / (N as f64).sqrt(), "distance {distance}");
}

#[test]
fn normal_gaps_pass_kolmogorov_smirnov() {
    let distance = kolmogorov_smirnov(&gaps(ArrivalProcess::Norm, 500.0, N), |gap| normal_below((gap - 1.0) * 4.0));
    assert!(distance < CRITICAL / (N as f64).sqrt(), "distance {distance}");
}

#[test]
fn zipf_gaps_are_whole_steps_and_pass_chi_square() {
    let gaps = gaps(ArrivalProcess::Zipf, 500.0, N);
    let weights = || (1..=100).map(|k| f64::from(k).powi(-3));
    let total: f64 = weights().sum();
    let step = total / (1..=100).map(|k| f64::from(k).powi(-2)).sum::<f64>();
    let steps: Vec<f64> = gaps.iter().map(|gap| gap / step).collect();
    assert!(steps.iter().all(|k| (k - k.round()).abs() < 1e-5));
    // Bins for k = 1, 2, ..., 9, and one for all greater k, which are too rare for separate bins.
    let mut chi_square = 0.0;
    let mut rest = (N as f64, 1.0);
    for (k, weight) in (1..=9).map(f64::from).zip(weights()) {
        let seen = steps.iter().filter(|step| step.round() == k).count() as f64;
        let expected = weight / total;
        chi_square += (seen - expected * N as f64).powi(2) / (expected * N as f64);
        rest = (rest.0 - seen, rest.1 - expected);
    }
    chi_square += (rest.0 - rest.1 * N as f64).powi(2) / (rest.1 * N as f64);
    // The 1 % critical value with 9 degrees of freedom.
    assert!(chi_square < 21.67, "chi square {chi_square}");
}

#[test]
fn the_mean_gap_is_one_over_the_rate() {
    // Within three standard errors, also at rates whose gaps are not whole ns.
    for (process, deviation) in [(ArrivalProcess::Exp, 1.0), (ArrivalProcess::Norm, 0.25), (ArrivalProcess::Zipf, 1.53)]
    {
        for rate in [0.5, 300.0, 777_777.0] {
            let off = mean(&gaps(process, rate, 100_000)) - 1.0;
            assert!(off.abs() < 3.0 * deviation / 100_000f64.sqrt(), "{process:?} at {rate}: {off}");
        }
    }
}

#[test]
fn zipf_steps_are_summed_without_rounding() {
    // At 30M/s a step is 24.5 ns.
    let dues = dues(ArrivalProcess::Zipf, 3e7, 0, 1, 1_000_000);
    let step = 1e9 / 3e7 / 1.360_211_176_143_834;
    let steps = (*dues.last().unwrap() as f64 / step).ceil();
    assert!((steps * step - *dues.last().unwrap() as f64).abs() < 1.01);
}

#[test]
fn a_normal_stream_never_changes() {
    insta::assert_compact_debug_snapshot!(
        dues(ArrivalProcess::Norm, 1000.0, 0, 1, 7),
        @"[0, 921742, 2156848, 3457540, 4147354, 5184300, 5543433]"
    );
}

#[test]
fn a_zipf_stream_never_changes() {
    insta::assert_compact_debug_snapshot!(
        dues(ArrivalProcess::Zipf, 1000.0, 1, 2, 11),
        @"[735179, 11027699, 12498059, 13968419, 15438779, 16909139, 18379499, 19849858, 21320218, 28672018, 30142378]"
    );
}
