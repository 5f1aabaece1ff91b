//! Coordinated omission on simulated time: servers that stall, and the exact percentiles that follow from it.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::load::plan::WarmupBy;
use crate::record::Latencies;
use crate::record::Outcome;
use crate::stats::value_at_percentile;

const SECOND: u64 = 1000 * MS;

/// The requests in flight.
#[derive(Default)]
struct InFlight {
    /// End, connection and request, the first end first.
    ends: BinaryHeap<Reverse<(u64, usize, u64)>>,
    per_connection: HashMap<usize, usize>,
    sent: HashMap<u64, RequestRecord>,
}

impl InFlight {
    fn send(&mut self, work: Work, connection: usize, now: u64, ends: &mut impl FnMut(u64, u64) -> u64) {
        let mut record = work.record;
        record.sent = Instant(now);
        self.ends.push(Reverse((ends(now, record.request), connection, record.request)));
        *self.per_connection.entry(connection).or_default() += 1;
        self.sent.insert(record.request, record);
    }

    /// Takes the request that ends first: its connection, its number, and whether the connection is free then.
    fn end(&mut self) -> Option<(usize, u64, bool)> {
        let Reverse((_, connection, request)) = self.ends.pop()?;
        let per_connection = self.per_connection.entry(connection).or_default();
        *per_connection -= 1;
        Some((connection, request, *per_connection == 0))
    }
}

/// Runs a worker's schedule against a server that ends a request sent at `t` at `ends(t, request)`, or never if that is
/// `u64::MAX`. The generator itself is never late.
fn against(settings: LoadSettings, ends: impl FnMut(u64, u64) -> u64) -> Latencies {
    against_with_pause(settings, 0..0, ends)
}

/// The same with a generator that does nothing during `pause`.
fn against_with_pause(
    settings: LoadSettings,
    pause: std::ops::Range<u64>,
    mut ends: impl FnMut(u64, u64) -> u64,
) -> Latencies {
    let mut d = dispatcher(settings.clone());
    let mut in_flight = InFlight::default();
    let mut connections = settings.connections;
    let mut now = 0;
    for connection in 0..connections {
        if let Some(work) = d.add_connection(connection, Instant::START) {
            in_flight.send(work, connection, 0, &mut ends);
        }
    }
    let mut done = Vec::new();
    let end = loop {
        let wake = match d.next_action(Instant(now)) {
            Action::Send(work, placement) => {
                let connection = match placement {
                    Placement::On(connection) => connection,
                    Placement::New => {
                        connections += 1;
                        connections - 1
                    }
                };
                in_flight.send(work, connection, now, &mut ends);
                continue;
            }
            Action::End => break now,
            Action::Drain(_) if in_flight.ends.is_empty() => break now,
            Action::Drain(at) | Action::Blocked(at) | Action::Wait(at) => at.0,
            Action::Delay(_) => unreachable!("no script"),
        };
        let first = in_flight.ends.peek().map_or(u64::MAX, |Reverse((end, _, _))| *end);
        now = wake.min(first);
        if pause.contains(&now) {
            now = pause.end;
        }
        if first <= wake
            && let Some((connection, request, is_free)) = in_flight.end()
        {
            done.push((request, now));
            d.end_attempt(connection, in_flight.sent[&request].send_lag().unwrap());
            if let Some(work) = is_free.then(|| d.offer_connection(connection, Instant(now))).flatten() {
                in_flight.send(work, connection, now, &mut ends);
            }
        }
    };
    let mut latencies = Latencies::default();
    let plan = LoadPlan::new(settings).unwrap();
    let InFlight { ends: in_flight, sent, .. } = in_flight;
    let mut add = |mut record: RequestRecord, end: u64, outcome: Outcome| {
        record.end = Instant(end);
        record.set_outcome(outcome);
        record.set_last(true);
        record.set_warmup(plan.is_in_warmup(&record));
        latencies.add(&record);
    };
    done.into_iter().for_each(|(request, end)| add(sent[&request], end, Outcome::Answered));
    in_flight.into_iter().for_each(|Reverse((_, _, request))| add(sent[&request], end, Outcome::Unanswered));
    std::iter::from_fn(|| d.next_unsent()).for_each(|record| add(record, end, Outcome::Unsent));
    latencies
}

/// One worker at 1,000 requests/s with this many connections.
fn load(seconds: u64, connections: usize, when_busy: WhenBusy) -> LoadSettings {
    LoadSettings {
        threads: 1,
        connections,
        when_busy,
        duration: Time::from_secs(seconds),
        drain: Time::from_secs(2),
        max_connections: 100_000,
        ..LoadSettings::new("http://localhost/", 1000.0)
    }
}

/// Response times in ms at these percentiles, to the histogram's three digits.
fn at<const N: usize>(latencies: &Latencies, percents: [f64; N]) -> [f64; N] {
    percents.map(|percent| {
        let us = value_at_percentile(&latencies.response, percent);
        latencies.response.lowest_equivalent(us) as f64 / 1e3
    })
}

fn close<const N: usize>(found: [f64; N], expected: [f64; N]) {
    let near = found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() <= expected / 500.0);
    assert!(near, "found {found:?} ms, expected {expected:?}");
}

/// The expected response times in ms, sorted, of requests that are due at a constant 1,000/s for `seconds` and served in
/// order by `servers`. Each takes until `ends`, or until `over` (Kiefer and Wolfowitz's recursion).
fn queue(seconds: u64, servers: usize, over: u64, ends: impl Fn(u64, u64) -> u64) -> Vec<f64> {
    let mut free: BinaryHeap<Reverse<u64>> = (0..servers).map(|_| Reverse(0)).collect();
    let mut all: Vec<f64> = (0..seconds * 1000)
        .map(|request| {
            let (due, Reverse(first)) = (request * MS, free.pop().unwrap());
            let end = ends(due.max(first), request).min(over);
            free.push(Reverse(end));
            (end - due) as f64 / MS as f64
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Compares every tenth of a percent with the sorted list.
fn as_sorted(latencies: &Latencies, sorted: &[f64]) {
    assert_eq!(latencies.response.len(), sorted.len() as u64);
    for tenth in 1..=1000 {
        let percent = f64::from(tenth) / 10.0;
        let rank = (percent / 100.0 * sorted.len() as f64).round() as usize;
        close(at(latencies, [percent]), [sorted[rank - 1]]);
    }
}

/// The server stalls between 5 s and 6 s.
fn one_stall(sent: u64, service: u64) -> u64 {
    let end = sent + service;
    if end <= 5 * SECOND || sent >= 6 * SECOND { end } else { 6 * SECOND + (end - 5 * SECOND).min(service) }
}

#[test]
fn a_stall_of_a_second_in_an_open_system() {
    for when_busy in [WhenBusy::Open, WhenBusy::Pipeline] {
        let open = against(load(10, 10, when_busy), |sent, _| one_stall(sent, 10 * MS));
        // A request that is due k ms into the stall is answered 1010 - k ms later. There are 1,000 of these, and 9 that
        // were in flight at its start and are answered 1,010 ms after their due time.
        assert_eq!(open.response.len(), 10_000);
        close(at(&open, [50.0, 89.9, 95.0, 99.0, 99.9, 100.0]), [10.0, 10.0, 519.0, 919.0, 1009.0, 1010.0]);
    }
}

#[test]
fn a_stall_of_a_second_caught_up_at_once() {
    let wait = against(load(10, 1, WhenBusy::Wait), |sent, _| one_stall(sent, MS / 10));
    // The request of 5 s is answered at 6.0001 s. Those due j ms after 5 s follow every 0.1 ms: answered 1000.1 - 0.9 j ms
    // late, until j = 1111.
    assert_eq!(wait.response.len(), 10_000);
    close(at(&wait, [50.0, 88.0, 90.0, 95.0, 99.0, 100.0]), [0.1, 0.1, 100.1, 550.1, 910.1, 1000.1]);
    assert!(value_at_percentile(&wait.send_lag, 100.0) <= 1, "the generator is never late");
}

#[test]
fn a_pause_of_the_generator_is_send_lag_in_every_mode() {
    for when_busy in [WhenBusy::Wait, WhenBusy::Pipeline, WhenBusy::Open] {
        let settings = LoadSettings { max_connections: 10, ..load(10, 10, when_busy) };
        let paused = against_with_pause(settings, 5 * SECOND..6 * SECOND, |sent, _| sent + MS);
        assert_eq!(paused.response.len(), 10_000, "{when_busy:?}");
        // The server is never busy with more than it can do: each ms of response time above its own is the generator's.
        let above = value_at_percentile(&paused.response, 99.0).saturating_sub(1_000) * 1_000;
        let lag = value_at_percentile(&paused.send_lag, 99.0);
        assert!(above > 800 * MS && lag.abs_diff(above) < above / 100, "{when_busy:?}: {lag} of {above} ns");
    }
}

#[test]
fn a_stall_of_a_second_caught_up_at_twice_the_rate() {
    let limited = LoadSettings { catch_up: Some(2.0), ..load(10, 1, WhenBusy::Wait) };
    let wait = against(limited, |sent, _| one_stall(sent, MS / 10));
    // The connection is stuck with the request that was due at 5 s. The others are sent from 6.0001 s on, half a ms apart.
    // The one that is due j ms later is answered 999.7 - j/2 ms late, up to j = 1999.
    assert_eq!(wait.response.len(), 10_000);
    close(at(&wait, [50.0, 80.0, 90.0, 95.0, 99.0, 100.0]), [0.1, 0.1, 499.7, 749.7, 949.7, 1000.1]);
    // The service time is 0.1 ms for all but one: that is the omission.
    assert!(value_at_percentile(&wait.service, 99.98) <= 100);
}

#[test]
fn a_stall_of_200_ms_every_10_seconds() {
    let stalls = |sent: u64, _| {
        let (round, into) = (sent / (10 * SECOND), sent % (10 * SECOND));
        if into < 200 * MS { round * 10 * SECOND + 201 * MS } else { sent + MS }
    };
    let open = against(load(100, 10, WhenBusy::Open), stalls);
    // 2 % are due in a stall. One that is due k ms into it is answered 201 - k ms later.
    assert_eq!(open.response.len(), 100_000);
    close(at(&open, [50.0, 97.9, 99.0, 99.9, 100.0]), [1.0, 1.0, 101.0, 191.0, 201.0]);
}

#[test]
fn a_random_percent_of_the_requests_takes_half_a_second() {
    let mut stream = ChaCha8Rng::seed_from_u64(7);
    let slow: Vec<bool> = (0..100_000).map(|_| stream.next_u64() % 100 == 0).collect();
    let ends = |sent: u64, request: u64| sent + if slow[request as usize] { 500 * MS } else { MS / 2 };
    let open = against(load(100, 10, WhenBusy::Open), ends);
    close(at(&open, [98.8, 99.2, 100.0]), [0.5, 500.0, 500.0]);
    // With few connections, requests wait behind the slow ones: these keep 5 of 8 connections busy on average.
    let wait = against(load(100, 8, WhenBusy::Wait), ends);
    let sorted = queue(100, 8, u64::MAX, ends);
    assert!(sorted[90_000] > 5.0, "requests do wait: {}", sorted[90_000]);
    as_sorted(&wait, &sorted);
    assert!(value_at_percentile(&wait.service, 98.5) <= 500, "the service time does not contain the wait");
}

#[test]
fn an_outage_to_the_end() {
    let dead = |sent: u64, _| if sent < 5 * SECOND { sent + MS / 2 } else { u64::MAX };
    for when_busy in [WhenBusy::Open, WhenBusy::Wait, WhenBusy::Pipeline] {
        let latencies = against(load(10, 10, when_busy), dead);
        // Arrivals end at 10 s and the run ends at 12 s: a request that was due k ms after 5 s has waited for 7000 - k ms.
        assert_eq!(latencies.response.len(), 10_000, "{when_busy:?}");
        close(at(&latencies, [50.0, 60.0, 90.0, 99.0, 100.0]), [0.5, 3000.0, 6000.0, 6900.0, 7000.0]);
        assert_eq!(latencies.service.len(), 5000);
    }
}

#[test]
fn a_server_that_is_overloaded_from_the_start() {
    // It serves 1,000/s in order, and gets 2,000/s for 15 s on 50 connections. The first 10 s are the warm-up.
    let overloaded = |warmup_by| {
        let mut free = 0;
        let settings = LoadSettings {
            rate: 2000.0.into(),
            warmup: Time::from_secs(10),
            warmup_by,
            ..load(15, 50, WhenBusy::Wait)
        };
        against(settings, |sent, _| {
            free = free.max(sent) + MS;
            free
        })
    };
    let by_end = overloaded(WarmupBy::End);
    // Request i is due at i/2 ms and answered at i+1 ms. Those that end from 10 s on are the answers from 9,999 on: they
    // took 5 s to 7.5 s. No request is sent from 15 s on, and those in flight then are answered by 15.049 s. The others, due
    // from 7.525 s on, have waited up to 7.525 s by then, in vain.
    assert_eq!((by_end.response.len(), by_end.service.len()), (20_001, 5_050));
    close(at(&by_end, [25.0, 50.0, 75.0, 100.0]), [2_549.0, 5_025.0, 6_275.0, 7_525.0]);
    close([value_at_percentile(&by_end.service, 50.0) as f64 / 1e3], [50.0]);
    // By the due time there is no answer at all after the warm-up.
    let by_due = overloaded(WarmupBy::Due);
    assert_eq!((by_due.response.len(), by_due.service.len()), (10_000, 0));
    close(at(&by_due, [50.0]), [2_550.0]);
}

/// The send lag of each of 20,000 requests on one connection that is always busy: 1 ms each, 2,000/s. A request is sent
/// `late(i)` after the connection was free.
fn lags_in_overload(late: impl Fn(u64) -> u64) -> Vec<u64> {
    let mut d = dispatcher(LoadSettings { rate: 2000.0.into(), ..load(60, 1, WhenBusy::Wait) });
    let mut work = d.add_connection(0, Instant::START);
    let mut now = 0;
    let lag = |i| {
        let mut record = work.take().expect("the server is overloaded").record;
        record.sent = Instant(now + late(i));
        now = record.sent.0 + MS;
        let lag = record.send_lag().unwrap();
        d.end_attempt(0, lag);
        work = d.offer_connection(0, Instant(now));
        lag.0
    };
    (0..20_000).map(lag).collect()
}

#[test]
fn microseconds_do_not_add_up_to_send_lag_in_overload() {
    let usual = lags_in_overload(|i| 3_000 + i % 50 * 1_000);
    assert_eq!(usual.iter().max(), Some(&52_000), "each request is as late as it was sent late");
    // A stall of the generator, however, is in every request after it: the system never catches up.
    let stalled = lags_in_overload(|i| if i == 10_000 { 500 * MS } else { 3_000 });
    assert!(stalled[..10_000].iter().all(|&lag| lag == 3_000));
    assert!(stalled[10_000..].iter().all(|&lag| lag.abs_diff(500 * MS) <= 3_000), "{:?}", stalled.last());
}

#[test]
fn a_steady_slow_down() {
    // From 1 ms to 101 ms over 10 s, with enough connections: the response time is the service time.
    let slower = |sent: u64, _| sent + MS + sent / 100;
    let open = against(load(10, 10, WhenBusy::Open), slower);
    close(at(&open, [10.0, 50.0, 90.0, 99.0]), [11.0, 51.0, 91.0, 100.0]);
    // Two connections are too few: the queue grows until the end.
    let settings = LoadSettings { drain: Time::ZERO, ..load(10, 2, WhenBusy::Wait) };
    let two = against(settings, slower);
    as_sorted(&two, &queue(10, 2, 10 * SECOND, slower));
}
