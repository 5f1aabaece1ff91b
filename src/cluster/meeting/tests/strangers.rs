//! Whatever strangers do changes nothing, and what parts do keeps a meeting in bounds.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Say(Message),
    Hear,
    Deliver,
    Close,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just("node".to_owned()), Just(String::new()), ".{0,20}", Just("x".repeat(1000))]
}

/// A join with the right secrets where `knows` says so.
fn joins(knows: impl Strategy<Value = bool>) -> impl Strategy<Value = Message> {
    let wanted = proptest::option::of((0u16..6, 0u16..6));
    (knows, text(), text(), text(), wanted).prop_map(|(knows, token, other, node, wanted)| {
        let wanted = wanted.map(|(index, of)| GeneratorPart { index, of });
        let right = join(&node);
        let wrong = Join { token, version: other.clone(), plan_hash: other, ..join(&node) };
        Message::Join(Join { wanted, ..if knows { right } else { wrong } })
    })
}

fn messages(knows: impl Strategy<Value = bool>) -> impl Strategy<Value = Message> {
    prop_oneof![
        3 => joins(knows),
        1 => any::<u64>().prop_map(|sent| Message::Clock { sent: PartInstant(sent) }),
        2 => (0u64..1000).prop_map(ready),
        2 => any::<u64>().prop_map(beat),
        1 => text().prop_map(|why| Message::Failed { why }),
    ]
}

fn steps(knows: impl Strategy<Value = bool>) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => messages(knows).prop_map(Step::Say),
        1 => Just(Step::Hear),
        1 => Just(Step::Deliver),
        1 => Just(Step::Close),
    ]
}

fn act(meeting: &mut Meeting, now: CoordinatorInstant, from: ConnectionId, step: Step) -> Option<Answer> {
    match step {
        Step::Say(message) => Some(meeting.receive(now, from, message)),
        Step::Deliver => Some(meeting.deliver(from, None)),
        Step::Hear => {
            meeting.hear(now, from);
            None
        }
        Step::Close => {
            meeting.close(now, from);
            None
        }
    }
}

/// Meetings in each of their states that have all their parts.
fn full_meetings() -> [Meeting; 4] {
    let mut stopped = started(4, OnLost::Stop);
    stopped.stop("interrupted".to_owned());
    let mut without_one = started(4, OnLost::GoOn);
    without_one.close(ms(1), ConnectionId(2));
    [joined(4, OnLost::Stop), started(4, OnLost::GoOn), stopped, without_one]
}

proptest! {
    /// Also with the right token: the parts are there already.
    #[test]
    fn nothing_that_a_stranger_does_changes_a_meeting_that_has_its_parts(
        steps in proptest::collection::vec((4u64..9, steps(any::<bool>()), 0u64..100_000), 1..30),
    ) {
        for mut meeting in full_meetings() {
            let before = meeting.clone();
            for (from, step, now) in steps.clone() {
                let answer = act(&mut meeting, ms(now), ConnectionId(from), step);
                let is_refused = matches!(answer, None | Some(Answer::Refused { .. }));
                prop_assert!(is_refused, "{:?}", answer);
                prop_assert_eq!(&meeting, &before);
            }
        }
    }

    #[test]
    fn nothing_that_a_stranger_without_the_token_does_changes_any_meeting(
        steps in proptest::collection::vec((4u64..9, steps(Just(false)), 0u64..100_000), 1..30),
    ) {
        let mut meeting = Meeting::new(settings(4, OnLost::Stop), ms(0));
        meeting.receive(ms(0), ConnectionId(0), Message::Join(join("node0")));
        let before = meeting.clone();
        for (from, step, now) in steps {
            act(&mut meeting, ms(now), ConnectionId(from), step);
            prop_assert_eq!(&meeting, &before);
        }
    }

    /// Parts and strangers in any order, with time passing: texts stay short, a start never moves, a lost or delivered part
    /// stays so, and a part is accepted at most once.
    #[test]
    fn a_meeting_stays_in_bounds_whatever_anyone_does(
        steps in proptest::collection::vec((0u64..6, steps(any::<bool>()), 0u64..1500), 1..120), goes_on: bool,
    ) {
        let on_lost = if goes_on { OnLost::GoOn } else { OnLost::Stop };
        let mut meeting = Meeting::new(settings(3, on_lost), ms(0));
        let (mut now, mut accepted) = (0, std::collections::HashSet::new());
        for (from, step, later) in steps {
            now += later;
            let before = meeting.clone();
            if let Some(Answer::Accepted { part }) = act(&mut meeting, ms(now), ConnectionId(from), step) {
                prop_assert!(accepted.insert(part.index));
            }
            meeting.tick(ms(now));
            prop_assert!(before.start().is_none() || meeting.start() == before.start());
            prop_assert!(!before.is_over() || meeting.is_over());
            for (before, after) in before.members().iter().zip(meeting.members()) {
                let is_settled = before.as_ref().is_some_and(|member| !member.is_active());
                prop_assert!(!is_settled || before == after);
                let texts = after.iter().map(|member| match &member.stage {
                    Stage::Lost { why, .. } => member.node.len() + why.len(),
                    _ => member.node.len(),
                });
                prop_assert!(texts.sum::<usize>() <= MAX_NODE_NAME + 4 * MAX_TEXT);
            }
        }
    }
}
