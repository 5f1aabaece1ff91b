use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;

/// An exchange with the given one-way delays over clocks that differ by `offset_ns`, on the part's clock from `sent`.
fn exchange(sent: u64, offset_ns: i64, there: u64, waited: u64, back: u64) -> Exchange {
    let on_coordinator = |at: u64| CoordinatorInstant(at.checked_add_signed(offset_ns).unwrap());
    Exchange {
        sent: PartInstant(sent),
        arrived: on_coordinator(sent + there),
        answered: on_coordinator(sent + there + waited),
        received: PartInstant(sent + there + waited + back),
    }
}

fn from_stamps([sent, arrived, answered, received]: [u64; 4]) -> Exchange {
    Exchange {
        sent: PartInstant(sent),
        arrived: CoordinatorInstant(arrived),
        answered: CoordinatorInstant(answered),
        received: PartInstant(received),
    }
}

fn measurement(at: u64, offset_ns: i64, uncertainty: u64) -> ClockMeasurement {
    let uncertainty = Time(uncertainty);
    ClockMeasurement { at: PartInstant(at), offset_ns, uncertainty, worst_round_trip: uncertainty.times(2) }
}

#[test]
fn equal_delays_give_the_exact_offset() {
    let measured = ClockMeasurement::of(&[exchange(10 * S, -3_000_000_000, 400, 1000, 400)]).unwrap();
    assert_eq!(measured, measurement(10 * S + 900, -3_000_000_000, 400));
}

#[test]
fn the_exchange_of_the_least_delay_is_taken_and_the_worst_round_trip_kept() {
    let exchanges = [exchange(S, 7, 900, 0, 100), exchange(2 * S, 7, 30, 5, 10), exchange(3 * S, 7, 10, 0, 5000)];
    let measured = ClockMeasurement::of(&exchanges).unwrap();
    assert_eq!((measured.at, measured.uncertainty), (PartInstant(2 * S + 22), Time(20)));
    assert_eq!(measured.worst_round_trip, Time(5010));
}

#[test]
fn impossible_exchanges_are_left_out() {
    // The part or the coordinator goes back in time, or the coordinator keeps the question for longer than the part waits.
    let impossible = [[20, 5, 6, 10], [10, 6, 5, 20], [10, 5, 50, 20]].map(from_stamps);
    assert_eq!(ClockMeasurement::of(&impossible), None);
    assert_eq!(ClockMeasurement::of(&[]), None);
    let possible = exchange(S, 1, 10, 0, 10);
    let mixed = [impossible.as_slice(), &[possible]].concat();
    assert_eq!(ClockMeasurement::of(&mixed), ClockMeasurement::of(&[possible]));
}

#[test]
fn the_start_is_converted_to_the_clock_of_the_part() {
    assert_eq!(measurement(0, 3, 0).to_part(CoordinatorInstant(10)), Some(PartInstant(7)));
    assert_eq!(measurement(0, -3, 0).to_part(CoordinatorInstant(10)), Some(PartInstant(13)));
    assert_eq!(measurement(0, 30, 0).to_part(CoordinatorInstant(10)), None);
}

#[test]
fn one_measurement_is_taken_as_it_is() {
    let mapping = ClockMapping { before: measurement(S, -5, 2), after: None };
    let mapped = mapping.to_coordinator(PartInstant(9 * S)).unwrap();
    assert_eq!(mapped, MappedInstant { at: CoordinatorInstant(9 * S - 5), uncertainty: Time(2) });
    assert_eq!(mapping.drift(), None);
    assert_eq!(mapping.to_coordinator(PartInstant(4)), None);
}

#[test]
fn the_offset_between_two_measurements_changes_evenly() {
    // 20 us in 100 s: 200 ns per s.
    let mapping = ClockMapping {
        before: measurement(100 * S, 1_000_000, 10_000),
        after: Some(measurement(200 * S, 1_020_000, 20_000)),
    };
    let mapped = |seconds| {
        let mapped = mapping.to_coordinator(PartInstant(seconds * S)).unwrap();
        (mapped.at.0 - seconds * S, mapped.uncertainty.0)
    };
    assert_eq!(mapped(100), (1_000_000, 10_002));
    assert_eq!(mapped(150), (1_010_000, 15_002));
    assert_eq!(mapped(200), (1_020_000, 20_002));
    assert_eq!(mapped(250), (1_030_000, 35_002));
    assert_eq!(mapping.drift(), Some((200.0, 300.0)));
}

fn delays() -> impl Strategy<Value = (u64, u64, u64)> {
    (0..S, 0..S / 10, 0..S)
}

proptest! {
    #[test]
    fn the_true_offset_is_within_the_uncertainty(
        offset in -1_000_000_000_000i64..1_000_000_000_000,
        delays in proptest::collection::vec(delays(), 1..=EXCHANGES),
    ) {
        let start = 2_000 * S;
        let exchanges: Vec<Exchange> = (0..)
            .zip(&delays)
            .map(|(i, &(there, waited, back))| exchange(start + i * 3 * S, offset, there, waited, back))
            .collect();
        let measured = ClockMeasurement::of(&exchanges).unwrap();
        prop_assert!(measured.offset_ns.abs_diff(offset) <= measured.uncertainty.0);
        let least = delays.iter().map(|(there, _, back)| there + back).min().unwrap();
        prop_assert_eq!(measured.uncertainty.0, least.div_ceil(2));
    }

    /// With a drift, any errors of the measurements within their uncertainties, and any instant, also outside.
    #[test]
    fn every_instant_is_within_its_uncertainty(
        offset in -1_000_000_000i64..1_000_000_000,
        // In ns per ms.
        drift in -200i64..200,
        span_ms in 1i64..1_000_000,
        at_ms in -1_000_000i64..2_000_000,
        errors in proptest::array::uniform2((0i64..1_000_000, -1.0..1.0f64)),
    ) {
        let start_ms = 10_000_000i64;
        let on_part = |ms: i64| ((start_ms + ms) * 1_000_000) as u64;
        let true_offset = |ms: i64| offset + drift * ms;
        let measured = |ms: i64, (uncertainty, error): (i64, f64)| {
            let error = (uncertainty as f64 * error) as i64;
            measurement(on_part(ms), true_offset(ms) + error, uncertainty as u64)
        };
        let mapping = ClockMapping { before: measured(0, errors[0]), after: Some(measured(span_ms, errors[1])) };
        let mapped = mapping.to_coordinator(PartInstant(on_part(at_ms))).unwrap();
        let truth = on_part(at_ms).checked_add_signed(true_offset(at_ms)).unwrap();
        prop_assert!(mapped.at.0.abs_diff(truth) <= mapped.uncertainty.0, "{:?} {}", mapped, truth);
        let (drift_found, uncertainty) = mapping.drift().unwrap();
        prop_assert!((drift_found - drift as f64 * 1e3).abs() <= uncertainty + 1e-6);
    }

    #[test]
    fn no_timestamps_make_it_fail(stamps: [u64; 4], others: [u64; 4], at: u64) {
        if let Some(before) = ClockMeasurement::of(&[from_stamps(stamps)]) {
            let mapping = ClockMapping { before, after: ClockMeasurement::of(&[from_stamps(others)]) };
            let _ = (mapping.to_coordinator(PartInstant(at)), mapping.drift(), before.to_part(CoordinatorInstant(at)));
        }
    }
}
