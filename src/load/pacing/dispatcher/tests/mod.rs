use std::rc::Rc;

use super::*;
use crate::load::LoadSettings;
use crate::units::{Instant, Time};

mod simulation;
mod stalls;

const MS: u64 = 1_000_000;

/// One thread, 100 requests/s (one every 10 ms) for 100 ms, two connections.
fn settings() -> LoadSettings {
    LoadSettings {
        threads: 1,
        connections: 2,
        duration: Time::from_millis(100),
        ..LoadSettings::new("http://localhost/", 100.0)
    }
}

fn dispatcher(settings: LoadSettings) -> Dispatcher {
    let mut dispatcher = Dispatcher::new(&LoadPlan::new(settings).unwrap(), 0);
    dispatcher.begin();
    dispatcher
}

fn piece() -> PayloadPart {
    PayloadPart { payload: Rc::default(), part: 0 }
}

fn sent(turn: Action) -> (u64, u64, Placement) {
    match turn {
        Action::Send(work, room) => (work.record.request, work.record.ready.0, room),
        other => panic!("nothing was sent: {other:?}"),
    }
}

fn waits(turn: Action) -> u64 {
    match turn {
        Action::Wait(until) => until.0,
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn nothing_goes_before_the_start() {
    let mut d = Dispatcher::new(&LoadPlan::new(settings()).unwrap(), 0);
    assert!(d.offer(0, Instant(5 * MS)).is_none());
    d.begin();
    // The connection counts as free from the start on, not from when it was made.
    assert_eq!(sent(d.turn(Instant(MS))), (0, 0, Placement::On(0)));
}

#[test]
fn requests_go_when_they_are_due_on_the_connection_that_is_free_longest() {
    let mut d = dispatcher(settings());
    for connection in [1, 0] {
        assert!(d.offer(connection, Instant(0)).is_none() || connection == 1);
    }
    // Connection 1 got request 0 at once; request 1 is due at 10 ms and goes on connection 0.
    assert_eq!(waits(d.turn(Instant(MS))), 10 * MS);
    assert_eq!(sent(d.turn(Instant(10 * MS + 3))), (1, 10 * MS, Placement::On(0)));
    assert_eq!(waits(d.turn(Instant(11 * MS))), 20 * MS);
}

#[test]
fn with_all_connections_busy_a_request_waits_and_its_wait_is_not_the_generators() {
    let mut d = dispatcher(settings());
    d.came_up();
    assert!(matches!(d.turn(Instant(0)), Action::Blocked(_)));
    let work = d.offer(0, Instant(35 * MS)).unwrap();
    assert_eq!((work.record.due.0, work.record.ready.0), (0, 35 * MS));
    assert!(d.bound_reached());
}

#[test]
fn a_late_schedule_is_caught_up_at_twice_the_rate() {
    let mut d = dispatcher(settings());
    // 35 ms behind: requests 0 to 3 are due; they go 5 ms apart (half of 10) until the schedule is met again.
    assert!(d.offer(0, Instant(35 * MS)).is_some());
    assert!(d.offer(1, Instant(36 * MS)).is_none());
    assert_eq!(waits(d.turn(Instant(36 * MS))), 40 * MS);
    assert_eq!(sent(d.turn(Instant(40 * MS))), (1, 40 * MS, Placement::On(1)));
    assert!(d.offer(0, Instant(41 * MS)).is_none());
    assert_eq!(sent(d.turn(Instant(45 * MS))), (2, 45 * MS, Placement::On(0)));
    for (at, request) in [(50, 3), (55, 4), (60, 5), (65, 6)] {
        assert!(d.offer(0, Instant(at * MS - 1)).is_none());
        assert_eq!(sent(d.turn(Instant(at * MS))).0, request);
    }
    // Met again: request 7 is due at 70 ms, and goes then.
    assert!(d.offer(0, Instant(66 * MS)).is_none());
    assert_eq!(waits(d.turn(Instant(66 * MS))), 70 * MS);
}

#[test]
fn who_is_woken_late_sends_all_that_is_due() {
    // One every 50 us, and each waking is late by 180.
    let busy = LoadSettings { connections: 50, rate: 20_000.0.into(), ..settings() };
    let (mut d, mut now, mut count) = (dispatcher(busy), Instant::START, 0);
    (0..50).for_each(|connection| d.pool.give(connection, Instant(0)));
    while now < Instant(90 * MS) {
        match d.turn(now) {
            Action::Send(work, Placement::On(connection)) => {
                assert!(now.since(work.record.due) < Time(300_000), "{:?} at {now}", work.record);
                count += 1;
                d.pool.give(connection, now);
            }
            turn => now = Instant(waits(turn) + 180_000),
        }
    }
    assert!(count >= 1_790, "{count}");
}

/// Sends `together` at a time, 1,000 a second in all, from `from` to `to`; how many went.
fn sent_together(d: &mut Dispatcher, together: u64, from: u64, to: u64) -> u64 {
    let (mut now, mut count) = (Instant(from), 0);
    while now < Instant(to) {
        match d.turn(now) {
            Action::Send(work, Placement::On(connection)) => {
                assert!(work.record.due <= now && work.record.ready <= now);
                for _ in 1..together {
                    d.joined(&work.record, Some(connection), now);
                }
                (0..together).for_each(|_| d.done(connection));
                d.pool.give(connection, now);
                count += together;
            }
            turn => now = Instant(waits(turn)),
        }
    }
    count
}

#[test]
fn requests_in_one_string_keep_the_rate_and_catch_up_as_others_do() {
    for together in [1, 2, 3, 4, 16] {
        let fast = LoadSettings { rate: 1000.0.into(), duration: Time::from_secs(2), ..settings() };
        let mut d = dispatcher(fast);
        d.pool.give(0, Instant(0));
        let count = sent_together(&mut d, together, 0, 500 * MS);
        assert!(count.abs_diff(500) <= together, "{count} of {together} at a time");
        // Nobody looked for 100 ms; 150 ms later all is made up for, and not sooner than at twice the rate.
        let behind = sent_together(&mut d, together, 600 * MS, 650 * MS);
        assert!(behind <= 100 + 2 * together, "{behind} of {together} at a time");
        let count = count + behind + sent_together(&mut d, together, 650 * MS, 750 * MS);
        assert!(count.abs_diff(750) <= together, "{count} of {together} at a time");
    }
}

#[test]
fn open_makes_a_connection_for_what_is_due_up_to_the_bound() {
    let open = LoadSettings { when_busy: WhenBusy::Open, max_connections: 3, ..settings() };
    let mut d = dispatcher(open);
    // Both first connections are still being made: the third takes the request.
    assert_eq!(sent(d.turn(Instant(0))), (0, 0, Placement::New));
    assert!(matches!(d.turn(Instant(10 * MS)), Action::Blocked(_)));
    d.closed(Instant(0));
    assert_eq!(sent(d.turn(Instant(12 * MS))).2, Placement::New);
    // In an open system nothing is slowed down after a wait.
    d.closed(Instant(0));
    assert_eq!(sent(d.turn(Instant(20 * MS))), (2, 20 * MS, Placement::New));
}

#[test]
fn a_retry_keeps_its_request_and_due_time() {
    let mut d = dispatcher(settings());
    let mut work = d.offer(0, Instant(0)).unwrap();
    work.record.set_warmup(true);
    d.retry(&work.record, piece(), true, Instant(4 * MS));
    assert!(d.offer(0, Instant(MS)).is_none());
    assert_eq!(waits(d.turn(Instant(MS))), 4 * MS);
    let Action::Send(again, Placement::On(0)) = d.turn(Instant(4 * MS)) else { panic!("the retry is due") };
    let record = again.record;
    assert_eq!((record.request, record.due.0, record.attempt, record.ready.0), (0, 0, 1, 4 * MS));
    assert!(record.is_warmup() && again.piece.is_some());
    assert_eq!(waits(d.turn(Instant(5 * MS))), 10 * MS);
}

#[test]
fn after_the_end_of_arrivals_only_retries_go() {
    let mut d = dispatcher(settings());
    let work = d.offer(0, Instant(0)).unwrap();
    d.retry(&work.record, piece(), true, Instant(120 * MS));
    assert!(matches!(d.turn(Instant(99 * MS)), Action::Blocked(_)));
    assert!(d.offer(0, Instant(101 * MS)).is_none(), "due, but too late");
    assert_eq!(waits(d.turn(Instant(101 * MS))), 120 * MS);
    assert_eq!(sent(d.turn(Instant(120 * MS))).0, 0);
    assert!(matches!(d.turn(Instant(121 * MS)), Action::Drain(end) if end.0 == 2100 * MS));
    d.retry(&work.record, piece(), true, Instant(125 * MS));
    assert!(matches!(d.turn(Instant(2100 * MS)), Action::Over), "no further attempt once the drain is over");
    assert!(d.offer(0, Instant(2100 * MS)).is_none());
    // Requests 1 to 9 were due before 100 ms and never went.
    let unsent: Vec<u64> = std::iter::from_fn(|| d.next_unsent()).map(|record| record.request).collect();
    assert_eq!(unsent, (1..10).collect::<Vec<_>>());
}

#[test]
fn arrivals_can_end_early() {
    let mut d = dispatcher(settings());
    d.end_arrivals(Instant(25 * MS));
    d.end_arrivals(Instant(50 * MS));
    assert_eq!(d.until(), Instant(25 * MS));
    let unsent: Vec<RequestRecord> = std::iter::from_fn(|| d.next_unsent()).collect();
    assert_eq!(unsent.iter().map(|record| record.due.0).collect::<Vec<_>>(), [0, 10 * MS, 20 * MS]);
    assert!(unsent.iter().all(|record| record.sent == Instant::NEVER && record.ready == Instant::NEVER));
}

#[test]
fn a_connection_that_closed_gets_nothing() {
    let mut d = dispatcher(settings());
    assert!(d.offer(0, Instant(0)).is_some());
    assert!(d.offer(0, Instant(MS)).is_none());
    assert!(d.offer(1, Instant(MS)).is_none());
    d.went_down(0, true);
    assert_eq!(sent(d.turn(Instant(10 * MS))).2, Placement::On(1));
    assert!(matches!(d.turn(Instant(20 * MS)), Action::Blocked(_)));
}

#[test]
fn a_pipeline_writes_behind_what_is_outstanding_only_where_no_connection_is_free() {
    let mut d = dispatcher(LoadSettings { when_busy: WhenBusy::Pipeline, ..settings() });
    assert!(matches!(d.turn(Instant(0)), Action::Blocked(_)));
    assert!(!d.bound_reached(), "none is there yet, which no bound is to blame for");
    assert_eq!(d.connected(0, Instant(MS)).unwrap().record.ready, Instant(MS));
    assert!(d.connected(1, Instant(MS)).is_none());
    for (at, request, connection) in [(10, 1, 1), (20, 2, 0), (30, 3, 1)] {
        assert_eq!(sent(d.turn(Instant(at * MS))), (request, at * MS, Placement::On(connection)));
    }
    d.went_down(0, false);
    assert_eq!(sent(d.turn(Instant(40 * MS))).2, Placement::On(1));
    assert_eq!(sent(d.turn(Instant(50 * MS))).2, Placement::On(1));
    (0..4).for_each(|_| d.done(1));
    assert!(d.connected(0, Instant(51 * MS)).is_none());
    assert_eq!(sent(d.turn(Instant(60 * MS))).2, Placement::On(0));
}

#[test]
fn requests_of_one_string_take_as_many_places_and_are_due_at_the_first() {
    let mut d = dispatcher(settings());
    let first = d.offer(0, Instant(MS)).unwrap().record;
    for request in 1..12 {
        let joined = d.joined(&first, Some(0), Instant(MS));
        assert_eq!((joined.request, joined.due.0, joined.ready), (request, 0, first.ready));
    }
    // Ten were to come before the end at 100 ms: none is left.
    assert!(matches!(d.turn(Instant(2 * MS)), Action::Wait(at) if at.0 == 100 * MS));
    assert!(d.next_unsent().is_none());
}

#[test]
fn what_the_script_puts_off_goes_later_and_stays_due_when_it_was() {
    let mut d = dispatcher(settings());
    d.delay_each();
    assert!(d.offer(0, Instant(0)).is_none(), "nobody has asked the script yet");
    let Action::PutOff(work) = d.turn(Instant(MS)) else { panic!("it is due") };
    assert_eq!(work.record.ready, Instant::START);
    d.put_off(work, Instant(14 * MS));
    let Action::PutOff(work) = d.turn(Instant(10 * MS)) else {
        panic!("the next is due, though the first was not sent")
    };
    d.put_off(work, Instant(12 * MS));
    assert_eq!(waits(d.turn(Instant(10 * MS))), 12 * MS);
    let Action::Send(work, Placement::On(0)) = d.turn(Instant(12 * MS)) else { panic!("the second goes first") };
    assert_eq!((work.record.request, work.record.due.0, work.record.ready.0), (1, 10 * MS, 12 * MS));
    let work = d.offer(0, Instant(17 * MS)).unwrap();
    assert_eq!((work.record.request, work.record.due.0, work.record.ready.0), (0, 0, 17 * MS));
}

#[test]
fn what_only_the_generator_was_late_with_goes_after_the_end_of_arrivals() {
    let mut d = dispatcher(settings());
    assert!(d.offer(0, Instant(0)).is_some());
    assert!(d.offer(0, Instant(MS)).is_none());
    // Nobody looked from 1 ms to 103 ms, though a connection was free.
    for request in 1..10 {
        assert_eq!(sent(d.turn(Instant(103 * MS))), (request, request * 10 * MS, Placement::On(0)));
        assert!(d.pool.take(Instant::START).is_none());
        d.pool.give(0, Instant(MS));
    }
    assert!(matches!(d.turn(Instant(103 * MS)), Action::Drain(_)));
}

#[test]
fn what_waited_for_a_connection_does_not_go_after_the_end_of_arrivals() {
    let mut d = dispatcher(settings());
    assert!(d.offer(0, Instant(0)).is_some());
    assert!(matches!(d.turn(Instant(50 * MS)), Action::Blocked(_)));
    assert!(d.offer(0, Instant(103 * MS)).is_none());
    assert!(matches!(d.turn(Instant(103 * MS)), Action::Drain(_)));
    // And nothing goes that is late where somebody wanted an end.
    let mut d = dispatcher(settings());
    assert!(d.offer(0, Instant(0)).is_some() && d.offer(1, Instant(0)).is_none());
    d.end_arrivals(Instant(50 * MS));
    assert!(matches!(d.turn(Instant(51 * MS)), Action::Drain(_)));
}

#[test]
fn that_the_generator_was_late_with_a_request_makes_it_late_with_those_behind_it() {
    let mut d = dispatcher(settings());
    assert!(d.offer(0, Instant(0)).is_some());
    // Nobody looked from 1 ms to 55 ms, though a connection was free all the time.
    for (at, request, ready) in [(55, 1, 10), (60, 2, 20), (65, 3, 30), (70, 4, 40)] {
        d.pool.give(0, Instant(MS));
        assert_eq!(sent(d.turn(Instant(at * MS))), (request, ready * MS, Placement::On(0)));
    }
    assert_eq!(d.waited(), 0);
}

#[test]
fn an_open_system_at_its_bound_is_not_late_for_its_own_sake() {
    let mut d = dispatcher(LoadSettings { when_busy: WhenBusy::Open, max_connections: 2, ..settings() });
    d.came_up();
    assert!(matches!(d.turn(Instant(25 * MS)), Action::Blocked(_)) && d.bound_reached());
    d.closed(Instant(40 * MS));
    assert_eq!(sent(d.turn(Instant(41 * MS))), (0, 40 * MS, Placement::New));
    assert_eq!(d.waited(), 1);
}

#[test]
fn a_script_that_stops_keeps_what_it_put_off() {
    let mut d = dispatcher(settings());
    d.delay_each();
    let Action::PutOff(work) = d.turn(Instant(MS)) else { panic!("it is due") };
    d.put_off(work, Instant(30 * MS));
    d.stop(Instant(5 * MS));
    assert!(matches!(d.turn(Instant(31 * MS)), Action::Drain(_)));
    assert_eq!(d.left_for_later().len(), 1);
}
