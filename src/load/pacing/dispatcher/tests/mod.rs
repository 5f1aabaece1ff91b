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

/// The same with a limit on catching up: twice the rate.
fn limited() -> LoadSettings {
    LoadSettings { catch_up: Some(2.0), ..settings() }
}

fn dispatcher(settings: LoadSettings) -> Dispatcher {
    let mut dispatcher = Dispatcher::new(&LoadPlan::new(settings).unwrap(), 0);
    dispatcher.start();
    dispatcher
}

fn part() -> PayloadPart {
    PayloadPart { payload: Rc::default(), index: 0 }
}

fn sent(action: Action) -> (u64, u64, Placement) {
    match action {
        Action::Send(work, placement) => (work.record.request, work.record.ready.0, placement),
        other => panic!("nothing was sent: {other:?}"),
    }
}

fn waits(action: Action) -> u64 {
    match action {
        Action::Wait(until) => until.0,
        other => panic!("the pacer does not wait: {other:?}"),
    }
}

#[test]
fn nothing_is_sent_before_the_start() {
    let mut d = Dispatcher::new(&LoadPlan::new(settings()).unwrap(), 0);
    assert!(d.offer_connection(0, Instant(5 * MS)).is_none());
    d.start();
    // The connection counts as free from the start on, not from when it was established.
    assert_eq!(sent(d.next_action(Instant(MS))), (0, 0, Placement::On(0)));
}

#[test]
fn a_request_is_sent_when_it_is_due_on_the_connection_that_is_free_longest() {
    let mut d = dispatcher(settings());
    for connection in [1, 0] {
        assert!(d.offer_connection(connection, Instant(0)).is_none() || connection == 1);
    }
    // Connection 1 gets request 0 at once. Request 1 is due at 10 ms and is sent on connection 0.
    assert_eq!(waits(d.next_action(Instant(MS))), 10 * MS);
    assert_eq!(sent(d.next_action(Instant(10 * MS + 3))), (1, 10 * MS, Placement::On(0)));
    assert_eq!(waits(d.next_action(Instant(11 * MS))), 20 * MS);
}

#[test]
fn the_wait_for_a_busy_connection_is_not_send_lag() {
    let mut d = dispatcher(settings());
    d.add_busy_connection();
    assert!(matches!(d.next_action(Instant(0)), Action::Blocked(_)));
    let work = d.offer_connection(0, Instant(35 * MS)).unwrap();
    assert_eq!((work.record.due.0, work.record.ready.0), (0, 35 * MS));
    assert!(d.limit_reached());
}

#[test]
fn a_late_schedule_is_caught_up_at_once() {
    let mut d = dispatcher(settings());
    // At 35 ms requests 0 to 3 are due. Each is sent as soon as a connection is free.
    assert_eq!(d.offer_connection(0, Instant(35 * MS)).unwrap().record.request, 0);
    assert_eq!(d.offer_connection(1, Instant(35 * MS)).unwrap().record.request, 1);
    assert!(matches!(d.next_action(Instant(36 * MS)), Action::Blocked(_)));
    for request in [2, 3] {
        let record = d.offer_connection(0, Instant(37 * MS)).unwrap().record;
        assert_eq!((record.request, record.ready), (request, Instant(37 * MS)));
    }
    assert!(d.offer_connection(0, Instant(38 * MS)).is_none(), "the schedule is caught up");
    assert_eq!((d.waited(), d.held_back()), (4, 0));
}

#[test]
fn a_limit_holds_late_requests_back_and_counts_them() {
    let mut d = dispatcher(limited());
    // At 35 ms requests 0 to 3 are due. They are sent 5 ms apart (half of 10) until the schedule is caught up.
    assert!(d.offer_connection(0, Instant(35 * MS)).is_some());
    assert!(d.offer_connection(1, Instant(36 * MS)).is_none());
    assert_eq!(waits(d.next_action(Instant(36 * MS))), 40 * MS);
    assert_eq!(sent(d.next_action(Instant(40 * MS))), (1, 40 * MS, Placement::On(1)));
    assert!(d.offer_connection(0, Instant(41 * MS)).is_none());
    assert_eq!(sent(d.next_action(Instant(45 * MS))), (2, 45 * MS, Placement::On(0)));
    for (at, request) in [(50, 3), (55, 4), (60, 5), (65, 6)] {
        assert!(d.offer_connection(0, Instant(at * MS - 1)).is_none());
        assert_eq!(sent(d.next_action(Instant(at * MS))).0, request);
    }
    // Caught up: request 7 is due at 70 ms, and is sent then.
    assert!(d.offer_connection(0, Instant(66 * MS)).is_none());
    assert_eq!(waits(d.next_action(Instant(66 * MS))), 70 * MS);
    // Request 0 waited for a connection, and 1 to 6 because of the limit.
    assert_eq!((d.waited(), d.held_back()), (7, 6));
}

#[test]
fn after_a_late_wake_up_all_due_requests_are_sent() {
    // One request every 50 us, and a wake-up latency of 180 us.
    let busy = LoadSettings { connections: 50, rate: 20_000.0.into(), ..limited() };
    let (mut d, mut now, mut count) = (dispatcher(busy), Instant::START, 0);
    (0..50).for_each(|connection| d.pool.release(connection, Instant(0)));
    while now < Instant(90 * MS) {
        match d.next_action(now) {
            Action::Send(work, Placement::On(connection)) => {
                assert!(now.since(work.record.due) < Time(300_000), "{:?} at {now}", work.record);
                count += 1;
                d.pool.release(connection, now);
            }
            action => now = Instant(waits(action) + 180_000),
        }
    }
    assert!(count >= 1_790, "{count}");
}

/// Sends `together` requests at a time, 1,000 per second in total, from `from` to `to`. Returns how many were sent.
fn sent_together(d: &mut Dispatcher, together: u64, from: u64, to: u64) -> u64 {
    let (mut now, mut count) = (Instant(from), 0);
    while now < Instant(to) {
        match d.next_action(now) {
            Action::Send(work, Placement::On(connection)) => {
                assert!(work.record.due <= now && work.record.ready <= now);
                for _ in 1..together {
                    d.join_next(&work.record, Some(connection), now);
                }
                (0..together).for_each(|_| d.end_attempt(connection, Time::ZERO));
                d.pool.release(connection, now);
                count += together;
            }
            action => now = Instant(waits(action)),
        }
    }
    count
}

#[test]
fn requests_in_one_string_keep_the_rate_and_its_catch_up() {
    for together in [1, 2, 3, 4, 16] {
        let fast = LoadSettings { rate: 1000.0.into(), duration: Time::from_secs(2), ..limited() };
        let mut d = dispatcher(fast);
        d.pool.release(0, Instant(0));
        let count = sent_together(&mut d, together, 0, 500 * MS);
        assert!(count.abs_diff(500) <= together, "{count} of {together} at a time");
        // After a pause of 100 ms the schedule is caught up within 150 ms, and at twice the rate at most.
        let behind = sent_together(&mut d, together, 600 * MS, 650 * MS);
        assert!(behind <= 100 + 2 * together, "{behind} of {together} at a time");
        let count = count + behind + sent_together(&mut d, together, 650 * MS, 750 * MS);
        assert!(count.abs_diff(750) <= together, "{count} of {together} at a time");
    }
}

#[test]
fn open_opens_a_connection_for_a_due_request_up_to_the_limit() {
    let open = LoadSettings { when_busy: WhenBusy::Open, max_connections: 3, ..settings() };
    let mut d = dispatcher(open);
    // The first two connections are not established yet: a third one takes the request.
    assert_eq!(sent(d.next_action(Instant(0))), (0, 0, Placement::New));
    assert!(matches!(d.next_action(Instant(10 * MS)), Action::Blocked(_)));
    d.retire_connection(9, Instant(0));
    assert_eq!(sent(d.next_action(Instant(12 * MS))).2, Placement::New);
    // In an open system the catch-up is not limited.
    d.retire_connection(9, Instant(0));
    assert_eq!(sent(d.next_action(Instant(20 * MS))), (2, 20 * MS, Placement::New));
}

#[test]
fn a_retry_keeps_its_request_number_and_due_time() {
    let mut d = dispatcher(settings());
    let work = d.offer_connection(0, Instant(0)).unwrap();
    d.retry(&work.record, part(), true, Instant(4 * MS));
    assert!(d.offer_connection(0, Instant(MS)).is_none());
    assert_eq!(waits(d.next_action(Instant(MS))), 4 * MS);
    let Action::Send(again, Placement::On(0)) = d.next_action(Instant(4 * MS)) else { panic!("the retry is due") };
    let record = again.record;
    assert_eq!((record.request, record.due.0, record.attempt, record.ready.0), (0, 0, 1, 4 * MS));
    assert!(again.part.is_some());
    assert_eq!(waits(d.next_action(Instant(5 * MS))), 10 * MS);
}

#[test]
fn after_the_end_of_arrivals_only_retries_are_sent() {
    let mut d = dispatcher(settings());
    let work = d.offer_connection(0, Instant(0)).unwrap();
    d.retry(&work.record, part(), true, Instant(120 * MS));
    assert!(matches!(d.next_action(Instant(99 * MS)), Action::Blocked(_)));
    assert!(d.offer_connection(0, Instant(101 * MS)).is_none(), "due, but after the end of arrivals");
    assert_eq!(waits(d.next_action(Instant(101 * MS))), 120 * MS);
    assert_eq!(sent(d.next_action(Instant(120 * MS))).0, 0);
    assert!(matches!(d.next_action(Instant(121 * MS)), Action::Drain(end) if end.0 == 2100 * MS));
    d.retry(&work.record, part(), true, Instant(125 * MS));
    assert!(matches!(d.next_action(Instant(2100 * MS)), Action::End), "no further attempt once the drain is over");
    assert!(d.offer_connection(0, Instant(2100 * MS)).is_none());
    // Requests 1 to 9 were due before 100 ms and were never sent.
    let unsent: Vec<u64> = std::iter::from_fn(|| d.next_unsent()).map(|record| record.request).collect();
    assert_eq!(unsent, (1..10).collect::<Vec<_>>());
}

#[test]
fn arrivals_can_end_early() {
    let mut d = dispatcher(settings());
    d.end_arrivals(Instant(25 * MS));
    d.end_arrivals(Instant(50 * MS));
    assert_eq!(d.arrivals_end(), Instant(25 * MS));
    let unsent: Vec<RequestRecord> = std::iter::from_fn(|| d.next_unsent()).collect();
    assert_eq!(unsent.iter().map(|record| record.due.0).collect::<Vec<_>>(), [0, 10 * MS, 20 * MS]);
    assert!(unsent.iter().all(|record| record.sent == Instant::NEVER && record.ready == Instant::NEVER));
}

#[test]
fn a_closed_connection_gets_no_request() {
    let mut d = dispatcher(settings());
    assert!(d.offer_connection(0, Instant(0)).is_some());
    assert!(d.offer_connection(0, Instant(MS)).is_none());
    assert!(d.offer_connection(1, Instant(MS)).is_none());
    d.remove_connection(0, true);
    assert_eq!(sent(d.next_action(Instant(10 * MS))).2, Placement::On(1));
    assert!(matches!(d.next_action(Instant(20 * MS)), Action::Blocked(_)));
}

#[test]
fn a_pipeline_queues_behind_requests_in_flight_only_if_no_connection_is_free() {
    let mut d = dispatcher(LoadSettings { when_busy: WhenBusy::Pipeline, ..settings() });
    assert!(matches!(d.next_action(Instant(0)), Action::Blocked(_)));
    assert!(!d.limit_reached(), "none is established yet: the limit is not the reason");
    assert_eq!(d.add_connection(0, Instant(MS)).unwrap().record.ready, Instant(MS));
    assert!(d.add_connection(1, Instant(MS)).is_none());
    for (at, request, connection) in [(10, 1, 1), (20, 2, 0), (30, 3, 1)] {
        assert_eq!(sent(d.next_action(Instant(at * MS))), (request, at * MS, Placement::On(connection)));
    }
    d.remove_connection(0, false);
    assert_eq!(sent(d.next_action(Instant(40 * MS))).2, Placement::On(1));
    assert_eq!(sent(d.next_action(Instant(50 * MS))).2, Placement::On(1));
    (0..4).for_each(|_| d.end_attempt(1, Time::ZERO));
    assert!(d.add_connection(0, Instant(51 * MS)).is_none());
    assert_eq!(sent(d.next_action(Instant(60 * MS))).2, Placement::On(0));
}

#[test]
fn requests_in_one_string_take_as_many_arrivals_and_are_due_with_the_first() {
    let mut d = dispatcher(settings());
    let first = d.offer_connection(0, Instant(MS)).unwrap().record;
    for request in 1..12 {
        let joined = d.join_next(&first, Some(0), Instant(MS));
        assert_eq!((joined.request, joined.due.0, joined.ready), (request, 0, first.ready));
    }
    // There are ten arrivals before the end at 100 ms: none is left.
    assert!(matches!(d.next_action(Instant(2 * MS)), Action::Wait(at) if at.0 == 100 * MS));
    assert!(d.next_unsent().is_none());
}

#[test]
fn a_delayed_request_is_sent_later_and_keeps_its_due_time() {
    let mut d = dispatcher(settings());
    d.enable_delay();
    assert!(d.offer_connection(0, Instant(0)).is_none(), "the script was not asked yet");
    let Action::Delay(work) = d.next_action(Instant(MS)) else { panic!("it is due") };
    assert_eq!(work.record.ready, Instant::START);
    d.defer(work, Instant(14 * MS));
    let Action::Delay(work) = d.next_action(Instant(10 * MS)) else {
        panic!("the second is due, though the first was not sent")
    };
    d.defer(work, Instant(12 * MS));
    assert_eq!(waits(d.next_action(Instant(10 * MS))), 12 * MS);
    let Action::Send(work, Placement::On(0)) = d.next_action(Instant(12 * MS)) else { panic!("the second goes first") };
    assert_eq!((work.record.request, work.record.due.0, work.record.ready.0), (1, 10 * MS, 12 * MS));
    let work = d.offer_connection(0, Instant(17 * MS)).unwrap();
    assert_eq!((work.record.request, work.record.due.0, work.record.ready.0), (0, 0, 17 * MS));
}

#[test]
fn a_request_that_only_the_generator_was_late_with_is_sent_after_the_end_of_arrivals() {
    let mut d = dispatcher(settings());
    assert!(d.offer_connection(0, Instant(0)).is_some());
    assert!(d.offer_connection(0, Instant(MS)).is_none());
    // The pacer did not run from 1 ms to 103 ms, and a connection was free.
    for request in 1..10 {
        assert_eq!(sent(d.next_action(Instant(103 * MS))), (request, request * 10 * MS, Placement::On(0)));
        assert!(d.pool.take(Instant::START).is_none());
        d.pool.release(0, Instant(MS));
    }
    assert!(matches!(d.next_action(Instant(103 * MS)), Action::Drain(_)));
}

#[test]
fn a_request_that_waited_for_a_connection_is_not_sent_after_the_end_of_arrivals() {
    let mut d = dispatcher(settings());
    assert!(d.offer_connection(0, Instant(0)).is_some());
    assert!(matches!(d.next_action(Instant(50 * MS)), Action::Blocked(_)));
    assert!(d.offer_connection(0, Instant(103 * MS)).is_none());
    assert!(matches!(d.next_action(Instant(103 * MS)), Action::Drain(_)));
    // A late request is not sent after arrivals were ended early.
    let mut d = dispatcher(settings());
    assert!(d.offer_connection(0, Instant(0)).is_some() && d.offer_connection(1, Instant(0)).is_none());
    d.end_arrivals(Instant(50 * MS));
    assert!(matches!(d.next_action(Instant(51 * MS)), Action::Drain(_)));
}

#[test]
fn with_a_limit_a_generator_that_is_late_with_a_request_is_late_with_the_next_ones() {
    let mut d = dispatcher(limited());
    assert!(d.offer_connection(0, Instant(0)).is_some());
    // The pacer did not run from 1 ms to 55 ms, and a connection was free all the time.
    for (at, request, ready) in [(55, 1, 10), (60, 2, 20), (65, 3, 30), (70, 4, 40)] {
        d.pool.release(0, Instant(MS));
        assert_eq!(sent(d.next_action(Instant(at * MS))), (request, ready * MS, Placement::On(0)));
    }
    assert_eq!(d.waited(), 0);
}

#[test]
fn a_connection_that_is_busy_late_because_of_the_generator_is_not_waited_for() {
    for when_busy in [WhenBusy::Wait, WhenBusy::Open] {
        let mut d = dispatcher(LoadSettings { when_busy, max_connections: 2, ..settings() });
        assert!(d.add_connection(0, Instant(0)).is_some());
        // The pacer did not run from 1 ms to 55 ms. Request 1 is sent 45 ms late, and its response takes 2 ms.
        d.end_attempt(0, Time::ZERO);
        assert!(d.offer_connection(0, Instant(MS)).is_none());
        assert_eq!(sent(d.next_action(Instant(55 * MS))), (1, 10 * MS, Placement::On(0)));
        d.end_attempt(0, Time::from_millis(45));
        // Had request 1 been sent in time, the connection would have been free at 12 ms, before request 2 was due.
        let second = d.offer_connection(0, Instant(57 * MS)).unwrap().record;
        assert_eq!((second.request, second.ready), (2, Instant(20 * MS)));
        assert_eq!(d.waited(), 0);
    }
}

#[test]
fn the_wait_of_an_open_system_at_its_limit_is_not_send_lag() {
    let mut d = dispatcher(LoadSettings { when_busy: WhenBusy::Open, max_connections: 2, ..settings() });
    d.add_busy_connection();
    assert!(matches!(d.next_action(Instant(25 * MS)), Action::Blocked(_)) && d.limit_reached());
    d.retire_connection(9, Instant(40 * MS));
    assert_eq!(sent(d.next_action(Instant(41 * MS))), (0, 40 * MS, Placement::New));
    assert_eq!(d.waited(), 1);
}

#[test]
fn a_script_that_stops_does_not_send_its_delayed_requests() {
    let mut d = dispatcher(settings());
    d.enable_delay();
    let Action::Delay(work) = d.next_action(Instant(MS)) else { panic!("it is due") };
    d.defer(work, Instant(30 * MS));
    d.stop(Instant(5 * MS));
    assert!(matches!(d.next_action(Instant(31 * MS)), Action::Drain(_)));
    assert_eq!(d.take_deferred().len(), 1);
}

#[test]
fn with_slack_the_pacer_waits_longer_but_not_beyond_the_end_of_arrivals() {
    let mut d = dispatcher(LoadSettings { slack: Time(4 * MS), duration: Time::from_millis(22), ..settings() });
    for request in 0..3 {
        d.add_connection(request, Instant::START);
    }
    assert_eq!(waits(d.next_action(Instant::START)), 14 * MS);
    // An answer may end the wait: what is due then is sent.
    assert_eq!(sent(d.next_action(Instant(11 * MS))), (1, 10 * MS, Placement::On(1)));
    assert_eq!(waits(d.next_action(Instant(11 * MS))), 22 * MS);
    assert_eq!(sent(d.next_action(Instant(22 * MS))), (2, 20 * MS, Placement::On(2)));
}

#[test]
fn a_connection_whose_response_was_read_late_was_free_before() {
    // The response arrived at 9 ms or at 12 ms, and is read at 14 ms.
    for (free, ready) in [(9, 10), (12, 12)] {
        let mut d = dispatcher(settings());
        assert!(d.offer_connection(0, Instant::START).is_some());
        let work = d.offer_since(0, Instant(free * MS), Instant(14 * MS)).unwrap();
        assert_eq!((work.record.due.0, work.record.ready.0), (10 * MS, ready * MS));
    }
}
