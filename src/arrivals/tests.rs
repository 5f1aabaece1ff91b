use proptest::prelude::*;

use super::*;

fn dues(process: Process, rate: f64, thread: u64, threads: u64, n: usize) -> Vec<u64> {
    Arrivals::new(process, rate, 7, thread, threads).take(n).map(|a| a.due).collect()
}

#[test]
fn a_constant_rate_does_not_drift() {
    // 300/s has no whole period in ns; after ten hours it must still be exact.
    let last = Arrivals::new(Process::Fixed, 300.0, 0, 0, 1).nth(300 * 36_000).unwrap();
    assert_eq!(last.due, 36_000_000_000_000);
}

#[test]
fn threads_take_turns_and_never_coincide() {
    let mut all: Vec<Arrival> = (0..3).flat_map(|k| Arrivals::new(Process::Fixed, 30.0, 0, k, 3).take(10)).collect();
    all.sort_by_key(|a| a.due);
    let requests: Vec<u64> = all.iter().map(|a| a.request).collect();
    assert_eq!(requests, (0..30).collect::<Vec<_>>());
    assert!(all.windows(2).all(|w| w[1].due - w[0].due >= 33_333_333));
}

#[test]
fn a_rate_below_the_number_of_threads_works() {
    assert_eq!(dues(Process::Fixed, 0.5, 1, 4, 2), [2_000_000_000, 10_000_000_000]);
}

#[test]
fn poisson_streams_repeat_with_the_seed_and_differ_by_thread_and_seed() {
    assert_eq!(dues(Process::Exp, 100.0, 0, 2, 50), dues(Process::Exp, 100.0, 0, 2, 50));
    assert_ne!(dues(Process::Exp, 100.0, 0, 2, 50), dues(Process::Exp, 100.0, 1, 2, 50));
    let other = Arrivals::new(Process::Exp, 100.0, 8, 0, 2).take(50).map(|a| a.due).collect::<Vec<_>>();
    assert_ne!(dues(Process::Exp, 100.0, 0, 2, 50), other);
}

#[test]
fn a_poisson_stream_stays_what_it_was() {
    // A seed in somebody's paper must give the same schedule in ten years.
    insta::assert_debug_snapshot!(dues(Process::Exp, 1000.0, 0, 1, 6));
}

#[test]
fn poisson_gaps_pass_kolmogorov_smirnov() {
    let n = 20_000;
    let dues = dues(Process::Exp, 500.0, 0, 1, n);
    let mut gaps: Vec<f64> =
        std::iter::once(dues[0]).chain(dues.windows(2).map(|w| w[1] - w[0])).map(|ns| ns as f64 / 1e9).collect();
    gaps.sort_by(f64::total_cmp);
    let distance = gaps
        .iter()
        .enumerate()
        .map(|(i, gap)| {
            let expected = 1.0 - (-gap * 500.0).exp();
            (expected - i as f64 / n as f64).abs().max((expected - (i + 1) as f64 / n as f64).abs())
        })
        .fold(0.0, f64::max);
    // The 1 % critical value.
    assert!(distance < 1.63 / (n as f64).sqrt(), "distance {distance}");
}

proptest! {
    #[test]
    fn every_schedule_is_in_order(rate in 0.01f64..1e7, seed: u64, thread in 0u64..8, poisson: bool) {
        let process = if poisson { Process::Exp } else { Process::Fixed };
        let dues: Vec<u64> = Arrivals::new(process, rate, seed, thread, 8).take(200).map(|a| a.due).collect();
        prop_assert!(dues.windows(2).all(|w| w[0] <= w[1]));
    }

    #[test]
    fn a_constant_rate_holds_its_count(rate in 1.0f64..1e5, threads in 1u64..9) {
        // In any whole second the schedule holds rate requests, give or take the one at the edge.
        let all: usize = (0..threads)
            .map(|k| Arrivals::new(Process::Fixed, rate, 0, k, threads).take_while(|a| a.due < 2_000_000_000).count())
            .sum();
        prop_assert!((all as f64 - 2.0 * rate).abs() <= 1.0, "{all} at {rate}");
    }
}
