//! Rates over time: their texts, their integrals, and the due times of requests.

use super::*;

fn profile(text: &str) -> Profile {
    text.parse().unwrap()
}

fn over(text: &str, seconds: u64) -> Rate {
    profile(text).resolve(Time::from_secs(seconds)).unwrap()
}

fn seconds(rate: &Rate, x: f64) -> f64 {
    rate.due(x).as_secs_f64()
}

#[test]
fn texts_round_trip() {
    for (text, shown) in [
        ("100", "100"),
        ("2k", "2000"),
        ("0.001", "0.001"),
        ("100..1000", "100..1000"),
        ("100@10s, 500@20s, 100", "100@10s,500@20s,100"),
        ("0..1.5k@1m,1.5k..1.5k@500ms,0@5,1M..0", "0..1500@60s,1500@500ms,0@5s,1000000..0"),
    ] {
        assert_eq!(profile(text).to_string(), shown);
        assert_eq!(profile(shown), profile(text));
    }
}

#[test]
fn a_text_that_is_not_a_profile_is_refused_with_a_remedy() {
    let why = |text: &str| text.parse::<Profile>().unwrap_err().to_string();
    insta::assert_snapshot!(why("100-200"), @"`100-200` is not a number. Write digits, optionally followed by k, M or G (2k = 2000)");
    insta::assert_snapshot!(why("100@10x,200"), @"`10x` is not a time. Write a number and a unit, such as 500us, 20ms, 1.5s, 2m or 1h; a number alone is in seconds");
    insta::assert_snapshot!(why("100@10s,200,300@5s"), @"`200` has no duration, but another rate follows. Add one, as in `200@10s`");
    insta::assert_snapshot!(why("100@0s,200"), @"`100@0s` has a duration of zero. Give it a longer one, or remove it");
    for text in ["", ",", "100,", "..", "1..", "..1", "-1", "1..-1", "nan", "inf", "1e3", "1@", "@1s", "1@1s@2s"] {
        assert!(text.parse::<Profile>().is_err(), "{text}");
    }
}

#[test]
fn profiles_in_files_are_numbers_or_texts() {
    let read = |json: &str| serde_json::from_str::<Profile>(json);
    assert_eq!(read("300").unwrap(), profile("300"));
    assert_eq!(read("0.5").unwrap(), profile("0.5"));
    assert_eq!(read("\"100@10s,1k\"").unwrap(), profile("100@10s,1000"));
    assert_eq!(serde_json::to_string(&profile("300")).unwrap(), "300.0");
    assert_eq!(serde_json::to_string(&profile("1..2k")).unwrap(), "\"1..2000\"");
    insta::assert_snapshot!(read("[]").unwrap_err(), @r#"a rate in requests/s such as 100, "100..1000" or "100@10s,500@20s,100""#);
    insta::assert_snapshot!(read("\"fast\"").unwrap_err(), @"`fast` is not a number. Write digits, optionally followed by k, M or G (2k = 2000)");
}

#[test]
fn a_profile_that_a_run_cannot_have_is_refused_with_the_reason() {
    let why = |text: &str| profile(text).resolve(Time::from_secs(20)).unwrap_err().to_string();
    insta::assert_snapshot!(why("0"), @"the rate must be above 0 and at most 100G requests/s, but it is 0");
    insta::assert_snapshot!(why("100..200G"), @"the rate must be above 0 and at most 100G requests/s, but it is 100..200000000000");
    insta::assert_snapshot!(why("0@5s,0..0"), @"the rate must be above 0 and at most 100G requests/s, but it is 0@5s,0");
    insta::assert_snapshot!(why("100@10s,500@10s,100"), @"the rate `100` begins at 20s, but the run ends at 20s. Remove it, or run for longer");
    assert!(profile(&format!("1..{}", "9".repeat(400))).resolve(Time::from_secs(1)).is_err());
    for number in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
        assert!(Profile::constant(number).resolve(Time::from_secs(1)).is_err());
    }
}

#[test]
fn a_ramp_without_a_duration_lasts_for_the_run() {
    let rate = over("0..1000", 10);
    assert_eq!((rate.mean(), rate.peak(), rate.cumulated(Instant(10 * S))), (500.0, 1000.0, 5000.0));
    assert_eq!([0.0, 50.0, 1250.0, 5000.0].map(|x| seconds(&rate, x)), [0.0, 1.0, 5.0, 10.0]);
}

#[test]
fn a_run_may_end_within_a_ramp() {
    let rate = over("0..1000@20s", 10);
    assert_eq!((rate.mean(), rate.peak(), rate.cumulated(Instant(10 * S))), (250.0, 500.0, 2500.0));
}

#[test]
fn the_last_rate_continues() {
    let rate = over("100@5s,100..300@10s", 20);
    assert_eq!(rate.cumulated(Instant(20 * S)), 500.0 + 2000.0 + 1500.0);
    assert_eq!([500.0, 2500.0, 2800.0].map(|x| seconds(&rate, x)), [5.0, 15.0, 16.0]);
    assert_eq!(over("100@5s", 20).as_constant(), Some(100.0));
}

#[test]
fn a_surge_is_a_step_up_and_back() {
    let time = Time::from_secs;
    let with_surges = |surges: &[(Time, Time, f64)]| Profile::with_surges(100.0, surges.iter().copied());
    assert_eq!(with_surges(&[]), profile("100"));
    assert_eq!(with_surges(&[(time(15), time(10), 3.0)]), profile("100@15s,300@10s,100"));
    let two = [(time(25), time(5), 2.0), (time(15), time(10), 3.0), (time(40), time(1), 2.0)];
    assert_eq!(with_surges(&two), profile("100@15s,300@10s,200@5s,100@10s,200@1s,100"));
    let rate = with_surges(&two).resolve(time(60)).unwrap();
    assert_eq!([0, 15, 24, 25, 30, 59].map(|s| rate.at(Instant(s * S))), [100.0, 300.0, 300.0, 200.0, 100.0, 100.0]);
}

#[test]
fn nothing_is_due_in_a_pause() {
    let rate = over("0@2s,100@10s,0@3s,100", 20);
    assert_eq!([0.0, 999.0, 1000.0, 1001.0].map(|x| seconds(&rate, x)), [2.0, 11.99, 15.0, 15.01]);
}

#[test]
fn a_very_flat_ramp_is_as_exact_as_a_constant_rate() {
    let (ramp, none) = (over("300..300.0000000001", 3600), Rate::constant(300.0));
    for x in [1.0, 299_999.0, 1e6] {
        assert!(ramp.due(x).0.abs_diff(none.due(x).0) <= 1, "{x}");
    }
}

#[test]
fn a_ramped_poisson_process_has_the_rate_of_its_ramp() {
    // In each second of ten, over many seeds: these are Poisson counts, whose variance is their mean.
    let rate = over("0..1000@5s,1000@2s,1000..200", 10);
    let mut counts = [0u64; 10];
    for seed in 0..50 {
        for thread in 0..2 {
            let arrivals = Arrivals::new(ArrivalProcess::Exp, &rate, seed, ThreadShare::new(thread, 2));
            arrivals.take_while(|a| a.due.0 < 10 * S).for_each(|a| counts[(a.due.0 / S) as usize] += 1);
        }
    }
    for (second, count) in (0..).zip(counts) {
        let expected = 50.0 * (rate.cumulated(Instant((second + 1) * S)) - rate.cumulated(Instant(second * S)));
        let sigmas = (count as f64 - expected) / expected.sqrt();
        assert!(sigmas.abs() < 3.0, "second {second}: {count}, not {expected}");
    }
}

/// Some segments, the last with or without a duration, and a run that reaches all of them. At most 1000 requests/s.
pub fn profiles() -> impl Strategy<Value = (Profile, Time)> {
    let rate = || prop_oneof![1 => Just(0.0), 4 => 0.1..1000.0f64];
    let segment = (rate(), rate(), any::<bool>(), 1u64..2000)
        .prop_map(|(from, to, ramp, ms)| (if ramp { format!("{from}..{to}") } else { from.to_string() }, ms));
    (proptest::collection::vec(segment, 1..6), any::<bool>(), 1u64..2000).prop_filter_map(
        "sends nothing",
        |(segments, ends, last)| {
            let begins: u64 = segments.iter().rev().skip(1).map(|(_, ms)| ms).sum();
            let count = segments.len();
            let text: Vec<String> = (1..)
                .zip(segments)
                .map(|(i, (rate, ms))| if i == count && !ends { rate } else { format!("{rate}@{ms}ms") })
                .collect();
            let (profile, duration) = (profile(&text.join(",")), Time::from_millis(begins + last));
            profile.resolve(duration).is_ok().then_some((profile, duration))
        },
    )
}

proptest! {
    #[test]
    fn any_profile_round_trips((profile, _) in profiles()) {
        prop_assert_eq!(&profile.to_string().parse::<Profile>().unwrap(), &profile);
        let json = serde_json::to_string(&profile).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Profile>(&json).unwrap(), &profile);
    }

    #[test]
    fn due_is_the_inverse_of_cumulated((profile, duration) in profiles(), share in 0.0..1.0f64) {
        let rate = profile.resolve(duration).unwrap();
        let total = rate.cumulated(Instant(duration.0));
        prop_assert!((rate.mean() * duration.as_secs_f64() - total).abs() < 1e-6);
        prop_assert!(rate.mean() <= rate.peak() * (1.0 + 1e-9));
        let x = share * total;
        let due = rate.due(x);
        // At most 1000 requests/s: 1e-6 in a ns.
        prop_assert!((rate.cumulated(due) - x).abs() < 2e-6, "{} is due at {} with {}", x, due, rate.cumulated(due));
    }

    #[test]
    fn a_constant_profile_is_the_constant_rate(rate in 1e-3..1e7f64, threads in 1u64..9, thread in 0u64..8) {
        let written = over(&rate.to_string(), 10);
        prop_assert_eq!(&written, &Rate::constant(rate));
        let thread = thread % threads;
        for (i, arrival) in stream(ArrivalProcess::Fixed, rate, thread, threads).take(50).enumerate() {
            let number = i as u64 * threads + thread;
            prop_assert_eq!(arrival, Arrival { request: number, due: Instant((number as f64 * 1e9 / rate) as u64) });
            prop_assert!(written.due(number as f64) == arrival.due);
        }
    }

    #[test]
    fn fixed_requests_of_different_streams_are_never_due_at_once(
        (profile, duration) in profiles(), threads in 1u64..5, parts in 1u16..4,
    ) {
        let rate = profile.resolve(duration).unwrap();
        let each = rate.cumulated(Instant(duration.0)) / threads as f64;
        let mut all = Vec::new();
        for stream in streams(ArrivalProcess::Fixed, &rate, threads, parts) {
            let own: Vec<Arrival> = stream.take_while(|a| a.due.0 < duration.0).collect();
            prop_assert!((own.len() as f64 - each).abs() <= 1.0 + 1e-6, "{} of {}", own.len(), each);
            prop_assert!(own.windows(2).all(|w| w[0].due < w[1].due));
            all.extend(own);
        }
        all.sort_by_key(|a| a.request);
        prop_assert!(all.iter().zip(0..).all(|(a, i)| a.request == i), "numbered without gaps");
        prop_assert!(all.windows(2).all(|w| w[0].due < w[1].due));
    }

    #[test]
    fn random_requests_are_in_order_and_as_many_as_planned(
        process in processes(), (profile, duration) in profiles(), threads in 1u64..5, parts in 1u16..4,
    ) {
        let rate = profile.resolve(duration).unwrap();
        let planned = rate.cumulated(Instant(duration.0)) * f64::from(parts);
        let mut numbers = std::collections::HashSet::new();
        for stream in streams(process, &rate, threads, parts) {
            let own: Vec<Arrival> = stream.take_while(|a| a.due.0 < duration.0).collect();
            prop_assert!(own.windows(2).all(|w| w[0].due <= w[1].due));
            prop_assert!(own.iter().all(|a| numbers.insert(a.request)));
        }
        // The variance of a count is at most that of Zipf gaps, 2.33 times the mean's square, and one each for edges.
        let bound = 6.0 * (2.34 * planned).sqrt() + 3.0 * (threads * u64::from(parts)) as f64;
        prop_assert!((numbers.len() as f64 - planned).abs() <= bound, "{} of {}", numbers.len(), planned);
    }
}
