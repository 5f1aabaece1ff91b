use proptest::prelude::*;

use super::*;
use crate::units::Time;

mod gaps;
mod generators;
mod profiles;

const S: u64 = 1_000_000_000;

fn stream(process: ArrivalProcess, rate: f64, thread: u64, threads: u64) -> Arrivals {
    Arrivals::new(process, &Rate::constant(rate), 7, ThreadShare::new(thread, threads))
}

fn dues(process: ArrivalProcess, rate: f64, thread: u64, threads: u64, n: usize) -> Vec<u64> {
    stream(process, rate, thread, threads).take(n).map(|a| a.due.0).collect()
}

/// All streams of `threads` threads in each of `parts` loads.
fn streams(process: ArrivalProcess, rate: &Rate, threads: u64, parts: u16) -> Vec<Arrivals> {
    let parts = (0..parts).map(|index| SchedulePart { index, of: parts });
    let shares = parts
        .flat_map(|part| (0..threads).map(move |thread| ThreadShare { part, ..ThreadShare::new(thread, threads) }));
    shares.map(|share| Arrivals::new(process, rate, 7, share)).collect()
}

#[test]
fn a_constant_rate_does_not_drift() {
    // The period of 300/s is not a whole number of ns. After ten hours the due time must still be exact.
    let last = stream(ArrivalProcess::Fixed, 300.0, 0, 1).nth(300 * 36_000).unwrap();
    assert_eq!(last.due, Instant(36_000 * S));
}

#[test]
fn a_day_at_a_million_requests_per_second_is_exact_to_the_ns() {
    let (day, whole) = (86_400 * S, 86_400_000_000);
    let profile: Profile = "0..2M@12h,2M..0@12h".parse().unwrap();
    let rate = profile.resolve(Time(day)).unwrap();
    for number in [1, 12_345_678_901, whole - 1] {
        assert_eq!(FixedGaps::new(1e6).due(number), Instant(number * 1000));
        let due = rate.due(number as f64);
        // The exact instant lies within this ns.
        let (below, above) = (rate.cumulated(due), rate.cumulated(due.plus(Time(1))));
        assert!(below - 1e-4 <= number as f64 && number as f64 <= above + 1e-4, "{below} {number} {above}");
    }
    assert_eq!(rate.cumulated(Instant(day)), whole as f64);
}

#[test]
fn threads_take_turns_and_never_coincide() {
    let mut all: Vec<Arrival> = (0..3).flat_map(|k| stream(ArrivalProcess::Fixed, 30.0, k, 3).take(10)).collect();
    all.sort_by_key(|a| a.due);
    let requests: Vec<u64> = all.iter().map(|a| a.request).collect();
    assert_eq!(requests, (0..30).collect::<Vec<_>>());
    assert!(all.windows(2).all(|w| w[1].due.0 - w[0].due.0 >= 33_333_333));
}

#[test]
fn loads_that_share_a_schedule_take_turns() {
    let mut all: Vec<Arrival> = Vec::new();
    for stream in streams(ArrivalProcess::Fixed, &Rate::constant(10.0), 2, 3) {
        all.extend(stream.take_while(|a| a.due.0 < S));
    }
    all.sort_by_key(|a| a.due);
    let requests: Vec<u64> = all.iter().map(|a| a.request).collect();
    assert_eq!(requests, (0..30).collect::<Vec<_>>(), "each has the whole rate");
    assert!(all.windows(2).all(|w| w[1].due.0 - w[0].due.0 >= 33_333_333));
}

#[test]
fn a_rate_below_the_number_of_threads_works() {
    assert_eq!(dues(ArrivalProcess::Fixed, 0.5, 1, 4, 2), [2_000_000_000, 10_000_000_000]);
    assert_eq!(dues(ArrivalProcess::Fixed, 1e-3, 1, 2, 2), [1000 * S, 3000 * S]);
}

#[test]
fn a_poisson_stream_never_changes() {
    // A seed that a paper gives must make the same schedule in ten years.
    insta::assert_debug_snapshot!(dues(ArrivalProcess::Exp, 1000.0, 0, 1, 6));
}

#[test]
fn random_streams_begin_at_different_instants_and_never_coincide() {
    for process in [ArrivalProcess::Norm, ArrivalProcess::Zipf] {
        let mut all: Vec<u64> = (0..8).flat_map(|k| dues(process, 80.0, k, 8, 500)).collect();
        all.sort_unstable();
        let begun = all.partition_point(|due| *due < S / 10);
        assert!((6..=14).contains(&begun), "{process:?}: {begun} of 8 in the first gap's time");
        assert!(all.windows(2).all(|w| w[0] < w[1]), "{process:?}");
    }
}

#[test]
fn requests_after_a_rate_of_zero_are_never_due() {
    let rate = "100@1s,0".parse::<Profile>().unwrap().resolve(Time::from_secs(2)).unwrap();
    let arrivals = Arrivals::new(ArrivalProcess::Fixed, &rate, 1, ThreadShare::new(0, 1));
    let dues: Vec<u64> = arrivals.skip(99).take(3).map(|a| a.due.0).collect();
    assert_eq!(dues, [990_000_000, u64::MAX, u64::MAX]);
}

fn processes() -> impl Strategy<Value = ArrivalProcess> {
    prop_oneof![
        Just(ArrivalProcess::Fixed),
        Just(ArrivalProcess::Exp),
        Just(ArrivalProcess::Norm),
        Just(ArrivalProcess::Zipf)
    ]
}

proptest! {
    #[test]
    fn every_schedule_is_in_order_and_numbered_without_gaps(
        process in processes(), rate in 0.01f64..1e7, seed: u64, thread in 0u64..8, index in 0u16..3,
    ) {
        let share = ThreadShare { part: SchedulePart { index, of: 3 }, ..ThreadShare::new(thread, 8) };
        let arrivals: Vec<Arrival> =
            Arrivals::new(process, &Rate::constant(rate), seed, share).take(200).collect();
        prop_assert!(arrivals.windows(2).all(|w| w[0].due <= w[1].due));
        let first = thread * 3 + u64::from(index);
        prop_assert!(arrivals.iter().zip(0..).all(|(a, i)| a.request == first + 24 * i));
    }

    #[test]
    fn a_constant_rate_holds_its_count(rate in 1.0f64..1e5, threads in 1u64..9) {
        // Any whole second of the schedule holds `rate` requests, plus or minus one at its edge.
        let all: usize = (0..threads)
            .map(|k| stream(ArrivalProcess::Fixed, rate, k, threads).take_while(|a| a.due.0 < 2_000_000_000).count())
            .sum();
        prop_assert!((all as f64 - 2.0 * rate).abs() <= 1.0, "{all} at {rate}");
    }
}

proptest::proptest! {
    /// Skipping finds the number that iterating finds, wherever it begins and ends.
    #[test]
    fn skipped_requests_are_those_before_the_end(
        kind in 0..4usize, taken in 0..50usize, end_ms in 0..4000u64, thread in 0..3u64, parts in 1..3u16,
    ) {
        let profile = ["1000", "0@1s,700@500ms,0@500ms,0..900", "3..2000", "500@1s,0"][kind];
        let rate = profile.parse::<Profile>().unwrap().resolve(Time::from_secs(3)).unwrap();
        let part = SchedulePart { index: parts - 1, of: parts };
        let share = ThreadShare { part, ..ThreadShare::new(thread, 3) };
        let mut skipping = Arrivals::new(ArrivalProcess::Fixed, &rate, 1, share);
        let mut iterating = skipping.clone().peekable();
        for _ in 0..taken {
            proptest::prop_assert_eq!(skipping.next(), iterating.next());
        }
        let end = Instant(end_ms * 1_000_000);
        let mut count = 0;
        while iterating.next_if(|arrival| arrival.due < end).is_some() {
            count += 1;
        }
        proptest::prop_assert_eq!(skipping.skip_before(end), Some(count));
        proptest::prop_assert_eq!(skipping.next(), iterating.next());
    }
}

#[test]
fn a_day_of_a_hundred_requests_per_nanosecond_is_counted_at_once() {
    let rate = Profile::constant(1e11).resolve(Time::from_secs(86_400)).unwrap();
    let mut arrivals = Arrivals::new(ArrivalProcess::Fixed, &rate, 1, ThreadShare::new(0, 1));
    let count = arrivals.skip_before(Instant(86_400_000_000_000)).unwrap();
    assert!(count.abs_diff(8_640_000_000_000_000) < 100, "{count}");
    assert_eq!(Arrivals::new(ArrivalProcess::Exp, &rate, 1, ThreadShare::new(0, 1)).skip_before(Instant(1)), None);
}

#[test]
fn a_load_of_a_month_has_the_due_times_of_its_closed_form() {
    let month = Time::from_secs(30 * 86_400);
    for (process, profile) in
        [(ArrivalProcess::Fixed, "1000"), (ArrivalProcess::Fixed, "0..2000"), (ArrivalProcess::Exp, "0.01")]
    {
        let rate = profile.parse::<Profile>().unwrap().resolve(month).unwrap();
        let arrivals = Arrivals::new(process, &rate, 1, ThreadShare::new(0, 1));
        let expected = rate.cumulated(Instant::START.plus(month));
        let count = arrivals.count_before(Instant::START.plus(month));
        assert!((count as f64 / expected - 1.0).abs() < 0.03, "{process:?} {profile}: {count} of {expected}");
    }
}
