use super::*;
use crate::arrivals::GeneratorPart;
use crate::cluster::clock::PartInstant;

mod strangers;

/// The coordinator's clock, in ms.
fn ms(ms: u64) -> CoordinatorInstant {
    CoordinatorInstant(ms * 1_000_000)
}

fn settings(parts: u16, on_lost: OnLost) -> MeetingSettings {
    MeetingSettings {
        parts,
        token: "secret".to_owned(),
        version: "0.1.0".to_owned(),
        plan_hash: "abc".to_owned(),
        join_timeout: Time::from_secs(30),
        on_lost,
    }
}

fn join(node: &str) -> Join {
    Join {
        token: "secret".to_owned(),
        version: "0.1.0".to_owned(),
        plan_hash: "abc".to_owned(),
        wanted: None,
        node: node.to_owned(),
    }
}

fn wanting(index: u16, of: u16) -> Join {
    Join { wanted: Some(GeneratorPart { index, of }), ..join("here") }
}

fn clock(round_trip_ms: u64) -> ClockMeasurement {
    let worst_round_trip = Time::from_millis(round_trip_ms);
    ClockMeasurement { at: PartInstant(5), offset_ns: -7, uncertainty: Time(3), worst_round_trip }
}

fn ready(round_trip_ms: u64) -> Message {
    Message::Ready { clock: clock(round_trip_ms) }
}

fn beat(sent: u64) -> Message {
    Message::Beat { counts: BeatCounts { sent, answered: sent, failed: 0, send_lag: Time(9) } }
}

/// A meeting of `parts` parts, all of which have joined at 0. Part k has connection k and is on `node`k.
fn joined(parts: u16, on_lost: OnLost) -> Meeting {
    let mut meeting = Meeting::new(settings(parts, on_lost), ms(0));
    for index in 0..parts {
        let answer = meeting.receive(ms(0), ConnectionId(index.into()), Message::Join(join(&format!("node{index}"))));
        assert_eq!(answer, Answer::Accepted { part: GeneratorPart { index, of: parts } });
    }
    meeting
}

/// The same, and all are ready at 0, so that the start is at 2 s.
fn started(parts: u16, on_lost: OnLost) -> Meeting {
    let mut meeting = joined(parts, on_lost);
    for index in 0..parts {
        meeting.receive(ms(0), ConnectionId(index.into()), ready(1));
    }
    assert_eq!(meeting.start(), Some(ms(2000)));
    meeting
}

/// All parts but `silent` say each 500 ms that they are alive.
fn pass(meeting: &mut Meeting, from_ms: u64, to_ms: u64, silent: &[u64]) {
    for now in (from_ms..=to_ms).step_by(500) {
        for index in (0..u64::from(meeting.settings.parts)).filter(|index| !silent.contains(index)) {
            meeting.receive(ms(now), ConnectionId(index), beat(now));
        }
        meeting.tick(ms(now));
    }
}

fn because(answer: Answer) -> String {
    match answer {
        Answer::Refused { because } | Answer::Stop { because } => because,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_load_begins_when_all_parts_are_ready_and_ends_when_all_have_delivered() {
    let mut meeting = joined(2, OnLost::Stop);
    assert_eq!(meeting.receive(ms(100), ConnectionId(0), ready(1)), Answer::GoOn);
    assert_eq!(meeting.receive(ms(600), ConnectionId(0), beat(0)), Answer::GoOn);
    let start = Answer::Start { at: ms(2700) };
    assert_eq!(meeting.receive(ms(700), ConnectionId(1), ready(1)), start);
    assert_eq!(meeting.receive(ms(900), ConnectionId(0), beat(0)), start);
    // The answer is the same if the part asks again.
    assert_eq!(meeting.receive(ms(950), ConnectionId(1), ready(50)), start);
    assert_eq!(
        meeting.deliver(ConnectionId(0), Some(clock(2))),
        Answer::Stop { because: "the results of this part have arrived".into() }
    );
    assert!(!meeting.is_over());
    meeting.deliver(ConnectionId(1), None);
    assert!(meeting.is_over());
    assert_eq!(*meeting.state(), State::Started { at: ms(2700) });
    let clocks: Vec<_> = meeting.members().iter().flatten().map(|member| member.clock.unwrap()).collect();
    assert_eq!((clocks[0].before, clocks[0].after, clocks[1].after), (clock(1), Some(clock(2)), None));
    // A part that has delivered is no longer waited for.
    meeting.tick(ms(60_000));
    meeting.close(ms(60_000), ConnectionId(0));
    assert_eq!(meeting.losses(), [""; 0]);
}

#[test]
fn the_start_is_as_far_ahead_as_the_worst_round_trip_needs() {
    for (round_trips, lead) in [([1, 2], 2000), ([100, 1], 2000), ([1, 101], 2020), ([500, 3], 10_000)] {
        let mut meeting = joined(2, OnLost::Stop);
        meeting.receive(ms(1000), ConnectionId(0), ready(round_trips[0]));
        meeting.receive(ms(1020), ConnectionId(1), ready(round_trips[1]));
        assert_eq!(meeting.start(), Some(ms(1020 + lead)), "{round_trips:?}");
    }
    // A part that claims an impossible one does not delay the start for ever.
    let mut meeting = joined(1, OnLost::Stop);
    meeting.receive(ms(1000), ConnectionId(0), ready(1_000_000_000));
    assert_eq!(meeting.start(), Some(ms(1000 + 20_000)));
}

#[test]
fn a_clock_question_gets_the_coordinators_time() {
    let mut meeting = joined(1, OnLost::Stop);
    let answer = meeting.receive(ms(3), ConnectionId(0), Message::Clock { sent: PartInstant(77) });
    assert_eq!(answer, Answer::Clock { sent: PartInstant(77), arrived: ms(3), answered: ms(3) });
}

#[test]
fn a_part_gets_the_number_that_it_wants_and_others_the_free_ones() {
    let mut meeting = Meeting::new(settings(3, OnLost::Stop), ms(0));
    let mut number = |connection, join| match meeting.receive(ms(0), ConnectionId(connection), Message::Join(join)) {
        Answer::Accepted { part } => part.index,
        other => panic!("{other:?}"),
    };
    assert_eq!([number(10, wanting(1, 3)), number(11, join("a")), number(12, join("b"))], [1, 0, 2]);
}

#[test]
fn a_join_that_does_not_fit_is_refused_with_the_reason() {
    let mut meeting = joined(3, OnLost::Stop);
    meeting.members[2] = None;
    let before = meeting.clone();
    let mut why = |connection, join| {
        let why = because(meeting.receive(ms(1), ConnectionId(connection), Message::Join(join)));
        assert_eq!(meeting, before);
        why
    };
    insta::assert_snapshot!(why(9, Join { token: "x".into(), version: "9".into(), ..join("a") }), @"the token is wrong. Start the part with the token that the coordinator has printed");
    insta::assert_snapshot!(why(9, Join { version: "0.2.0\n".into(), ..join("a") }), @"the coordinator has version 0.1.0 and this part has 0.2.0 . Use the same version everywhere");
    insta::assert_snapshot!(why(9, Join { plan_hash: "x".into(), ..join("a") }), @"the plan of this part is not the plan of the coordinator. Give both the same arguments and the same files");
    insta::assert_snapshot!(why(9, join("a\nb")), @"the name of the machine is empty, longer than 255 bytes, or has control characters. Give it another name");
    assert_eq!(why(9, join("")), why(9, join(&"x".repeat(256))));
    insta::assert_snapshot!(why(9, wanting(1, 4)), @"this part is one of 4, but the coordinator waits for 3. Use the same number for both");
    insta::assert_snapshot!(why(9, wanting(3, 3)), @"there is no part 3 of 3: parts are numbered from 0. Use a number below 3");
    insta::assert_snapshot!(why(9, wanting(1, 3)), @"part 1 has joined already, from node1. A part that is started twice sends nothing. Start each part once");
    insta::assert_snapshot!(why(1, join("a")), @"this connection is part 1 already. Join once");
    let long = why(9, Join { version: "9".repeat(1 << 20), ..join("a") });
    assert!(long.len() < 400, "{long}");
}

#[test]
fn a_late_join_is_refused() {
    let why = |meeting: &mut Meeting| because(meeting.receive(ms(1), ConnectionId(9), Message::Join(join("a"))));
    insta::assert_snapshot!(why(&mut joined(2, OnLost::Stop)), @"all 2 parts have joined already. Start no more than 2");
    let mut started = started(2, OnLost::GoOn);
    insta::assert_snapshot!(why(&mut started), @"the start of the load is settled. A part that is late or was started again sends nothing. Start the whole load again");
    // Also where a part was lost: what it had sent is sent.
    started.close(ms(5000), ConnectionId(1));
    insta::assert_snapshot!(why(&mut started), @"the start of the load is settled. A part that is late or was started again sends nothing. Start the whole load again");
    started.stop("interrupted".to_owned());
    insta::assert_snapshot!(why(&mut started), @"the load was stopped: interrupted. Start the whole load again");
}

#[test]
fn the_join_timeout_names_the_missing_parts() {
    let mut meeting = Meeting::new(settings(4, OnLost::Stop), ms(0));
    for index in [0, 2] {
        meeting.receive(ms(29_000), ConnectionId(index), Message::Join(wanting(index as u16, 4)));
    }
    meeting.receive(ms(29_500), ConnectionId(2), ready(1));
    meeting.tick(ms(29_999));
    assert_eq!(*meeting.state(), State::Gathering);
    meeting.tick(ms(30_000));
    assert!(meeting.is_over() && meeting.start().is_none());
    insta::assert_snapshot!(because(meeting.receive(ms(30_001), ConnectionId(0), beat(0))), @"after 30s, not all of the 4 parts were ready. Missing: 1, 3. Not ready: 0 (numbered from 0)");
}

#[test]
fn a_part_that_is_lost_before_the_start_stops_the_meeting_in_either_way() {
    for on_lost in [OnLost::Stop, OnLost::GoOn] {
        let mut meeting = joined(2, on_lost);
        meeting.close(ms(500), ConnectionId(1));
        assert!(meeting.is_over() && meeting.start().is_none());
        insta::allow_duplicates! {
            insta::assert_snapshot!(because(meeting.receive(ms(600), ConnectionId(0), ready(1))), @"part 1 of 2 on node1 was lost before the start: its connection was closed");
        }
    }
}

#[test]
fn a_silent_part_is_lost_and_the_others_stop() {
    let mut meeting = started(3, OnLost::Stop);
    pass(&mut meeting, 500, 40_000, &[]);
    pass(&mut meeting, 40_500, 42_500, &[2]);
    assert_eq!(meeting.losses(), [""; 0]);
    pass(&mut meeting, 43_000, 43_000, &[2]);
    insta::assert_snapshot!(meeting.losses().join("\n"), @"part 2 of 3 on node2 was lost at 41.0 s: it was silent for 3s");
    insta::assert_snapshot!(because(meeting.receive(ms(43_100), ConnectionId(0), beat(1))), @"part 2 of 3 on node2 was lost at 41.0 s: it was silent for 3s");
    assert_eq!(meeting.start(), Some(ms(2000)));
    // The others still deliver what they have.
    assert!(!meeting.is_over());
    meeting.deliver(ConnectionId(0), None);
    meeting.deliver(ConnectionId(1), None);
    assert!(meeting.is_over());
}

#[test]
fn a_silent_part_is_lost_and_the_others_go_on() {
    let mut meeting = started(2, OnLost::GoOn);
    pass(&mut meeting, 500, 10_000, &[]);
    pass(&mut meeting, 10_500, 20_000, &[1]);
    assert_eq!(meeting.receive(ms(20_100), ConnectionId(0), beat(1)), Answer::Start { at: ms(2000) });
    // It is back, and it is told that it is lost. It stays lost, with the counts of its last beat in time.
    let lost = meeting.clone();
    insta::assert_snapshot!(because(meeting.receive(ms(20_200), ConnectionId(1), beat(99_999))), @"this part counts as lost: it was silent for 3s");
    insta::assert_snapshot!(because(meeting.deliver(ConnectionId(1), None)), @"this part counts as lost: it was silent for 3s");
    assert_eq!(meeting, lost);
    assert_eq!(meeting.members()[1].as_ref().unwrap().counts.sent, 10_000);
    meeting.deliver(ConnectionId(0), None);
    assert!(meeting.is_over());
}

#[test]
fn a_part_that_delivers_for_long_is_not_lost() {
    let mut meeting = started(1, OnLost::Stop);
    for now in (1000..60_000).step_by(1000) {
        meeting.hear(ms(now), ConnectionId(0));
        meeting.tick(ms(now));
    }
    assert_eq!(meeting.losses(), [""; 0]);
}

#[test]
fn a_part_that_fails_says_why_in_bounds() {
    let mut meeting = started(2, OnLost::Stop);
    let why = format!("disk full\n{}", "x".repeat(1 << 20));
    let told = because(meeting.receive(ms(2500), ConnectionId(0), Message::Failed { why }));
    assert!(told.starts_with("this part counts as lost: disk full x") && told.len() < 300, "{told}");
    assert!(meeting.losses()[0].starts_with("part 0 of 2 on node0 was lost at 0.5 s: disk full x"));
}

#[test]
fn the_first_reason_to_stop_stays() {
    let mut meeting = started(2, OnLost::Stop);
    meeting.stop("interrupted".to_owned());
    meeting.close(ms(3000), ConnectionId(1));
    assert_eq!(because(meeting.receive(ms(3000), ConnectionId(0), beat(1))), "interrupted");
    assert_eq!(meeting.losses().len(), 1);
}

#[test]
fn nothing_is_delivered_before_the_start() {
    let mut meeting = joined(1, OnLost::Stop);
    let before = meeting.clone();
    assert_eq!(meeting.deliver(ConnectionId(0), None), Answer::GoOn);
    assert_eq!(meeting, before);
}
