//! Several generators that send one load: together they have its schedule, exactly.

use super::profiles::profiles;
use super::*;

/// The requests of one generator, over all threads of all loads, until `end`.
fn requests(
    process: ArrivalProcess,
    rate: &Rate,
    (threads, loads): (u64, u16),
    generator: GeneratorPart,
    end: Instant,
) -> Vec<Arrival> {
    let loads = (0..loads).map(|index| SchedulePart { index, of: loads });
    let shares =
        loads.flat_map(|part| (0..threads).map(move |thread| ThreadShare { thread, threads, part, generator }));
    let arrivals = shares.map(|share| Arrivals::new(process, rate, 7, share));
    arrivals.flat_map(|arrivals| arrivals.take_while(|arrival| arrival.due < end)).collect()
}

#[test]
fn generators_take_turns_with_the_requests_of_each_thread() {
    let requests = |index| {
        let generator = GeneratorPart { index, of: 3 };
        let share = ThreadShare { generator, ..ThreadShare::new(1, 2) };
        let arrivals = Arrivals::new(ArrivalProcess::Fixed, &Rate::constant(10.0), 1, share);
        arrivals.take(3).map(|arrival| (arrival.request, arrival.due.0 / 1_000_000)).collect::<Vec<_>>()
    };
    assert_eq!(requests(0), [(1, 100), (7, 700), (13, 1300)]);
    assert_eq!(requests(1), [(3, 300), (9, 900), (15, 1500)]);
    assert_eq!(requests(2), [(5, 500), (11, 1100), (17, 1700)]);
}

#[test]
fn the_first_generators_get_the_remainder() {
    let shares = |total, of| (0..of).map(|index| GeneratorPart { index, of }.share(total)).collect::<Vec<_>>();
    assert_eq!(shares(11, 4), [3, 3, 3, 2]);
    assert_eq!(shares(2, 3), [1, 1, 0]);
    assert_eq!(shares(5, 1), [5]);
}

proptest! {
    /// The sorted union is the whole schedule: the same numbers with the same due times, each once.
    #[test]
    fn the_union_of_all_generators_is_the_schedule_of_one(
        process in processes(), (profile, duration) in profiles(), threads in 1u64..5, loads in 1u16..3, of in 1u16..9,
    ) {
        let (rate, end) = (profile.resolve(duration).unwrap(), Instant::START.plus(duration));
        let sorted = |mut arrivals: Vec<Arrival>| {
            arrivals.sort_by_key(|arrival| (arrival.due, arrival.request));
            arrivals
        };
        let whole = sorted(requests(process, &rate, (threads, loads), GeneratorPart::default(), end));
        let generators = (0..of).map(|index| GeneratorPart { index, of });
        let parts = generators.flat_map(|generator| requests(process, &rate, (threads, loads), generator, end));
        let union = sorted(parts.collect());
        prop_assert_eq!(&union, &whole);
        let numbers: std::collections::HashSet<u64> = union.iter().map(|arrival| arrival.request).collect();
        prop_assert_eq!(numbers.len(), union.len());
    }

    /// Counting finds the number that iterating finds, also for one generator of several.
    #[test]
    fn requests_are_counted_as_they_come(
        process in processes(), (profile, duration) in profiles(), thread in 0u64..3, index in 0u16..3, end in 0.0..1.0f64,
    ) {
        let rate = profile.resolve(duration).unwrap();
        let end = Instant((duration.0 as f64 * end) as u64);
        let share = ThreadShare { generator: GeneratorPart { index, of: 3 }, ..ThreadShare::new(thread, 3) };
        let arrivals = Arrivals::new(process, &rate, 7, share);
        let iterated = arrivals.clone().take_while(|arrival| arrival.due < end).count() as u64;
        prop_assert_eq!(arrivals.count_before(end), iterated);
    }
}
