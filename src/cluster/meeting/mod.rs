//! The rendezvous of several generators, as a state machine: messages and the time go in, answers come out. It has no clock
//! and no socket.
//!
//! Each message gets one answer, so a part learns the start and a stop from the answer to its next beat. The connection of a
//! message is a number that the coordinator gave it, so no one can speak for another. A message that is refused changes
//! nothing, and the meeting keeps nothing of its sender: its memory depends on the number of parts only.

mod join;
mod member;
mod messages;
mod refusal;

pub use member::{Member, Stage};
pub use messages::{Answer, BeatCounts, Join, Message};
pub use refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::clock::{ClockMapping, ClockMeasurement, CoordinatorInstant};
use crate::units::Time;

/// A part that is silent for this long is lost.
pub const SILENCE: Time = Time::from_secs(3);
/// The start is announced this long ahead, at least: parts ask several times in [`SILENCE`].
pub const MIN_LEAD: Time = Time::from_secs(2);
/// The start is announced so many of the worst round trips ahead.
const LEAD_ROUND_TRIPS: u64 = 20;
/// The longest name of a machine, in bytes: that of a DNS name.
pub const MAX_NODE_NAME: usize = 255;
/// The most characters that are kept or repeated of other texts of a part.
const MAX_TEXT: usize = 200;

/// The number that the coordinator gave to a connection. No two connections have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// What happens if a part is lost after the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnLost {
    /// All parts stop
    #[default]
    Stop,
    /// The others go on. What the lost part had still to send counts as unsent
    GoOn,
}

/// What the coordinator of a meeting decides beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeetingSettings {
    /// How many parts the load has. At least 1.
    pub parts: u16,
    /// The secret that parts must know.
    pub token: String,
    /// The version that parts must have.
    pub version: String,
    /// The checksum of the plan that parts must have.
    pub plan_hash: String,
    /// All parts must be ready within this time.
    pub join_timeout: Time,
    pub on_lost: OnLost,
}

/// Where a meeting is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Parts join and get ready.
    Gathering,
    /// All parts were ready, so the start is settled.
    Started { at: CoordinatorInstant },
    /// The parts are told to stop. Without a start, none of them has sent anything.
    Stopped { start: Option<CoordinatorInstant>, because: String },
}

/// The meeting of a coordinator with its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    settings: MeetingSettings,
    opened: CoordinatorInstant,
    members: Box<[Option<Member>]>,
    state: State,
}

impl Meeting {
    /// Parts can join from `now` on.
    pub fn new(settings: MeetingSettings, now: CoordinatorInstant) -> Meeting {
        let members = vec![None; usize::from(settings.parts)].into();
        Meeting { settings, opened: now, members, state: State::Gathering }
    }

    /// A message has come.
    pub fn receive(&mut self, now: CoordinatorInstant, from: ConnectionId, message: Message) -> Answer {
        let (index, message) = match (message, self.find_member(from)) {
            (Message::Join(join), _) => return self.join(now, from, join),
            (message, Some(index)) => (index, message),
            (_, None) => return refused(&Refusal::Stranger),
        };
        let gathering = self.state == State::Gathering;
        let Some(member) = self.active_member(index) else { return self.tell(index) };
        member.heard = member.heard.max(now);
        match message {
            Message::Clock { sent } => return Answer::Clock { sent, arrived: now, answered: now },
            Message::Ready { clock } if gathering => {
                member.clock = Some(ClockMapping { before: clock, after: None });
                member.stage = Stage::Ready;
                self.settle_start(now);
            }
            // Answers get lost, so a part may say twice that it is ready.
            Message::Join(_) | Message::Ready { .. } => {}
            Message::Beat { counts } => member.counts = counts,
            Message::Failed { why } => self.lose(index, now, shorten(&why)),
        }
        self.tell(index)
    }

    /// Something else has come from a part, a piece of its digest for instance: it is alive.
    pub fn hear(&mut self, now: CoordinatorInstant, from: ConnectionId) {
        if let Some(member) = self.find_member(from).and_then(|index| self.active_member(index)) {
            member.heard = member.heard.max(now);
        }
    }

    /// The coordinator has the whole digest of the part of this connection, and the measurement of its clock after the load.
    pub fn deliver(&mut self, from: ConnectionId, clock: Option<ClockMeasurement>) -> Answer {
        let Some(index) = self.find_member(from) else { return refused(&Refusal::Stranger) };
        let has_start = self.start().is_some();
        if let Some(member) = self.active_member(index).filter(|_| has_start) {
            member.stage = Stage::Delivered;
            if let Some(mapping) = &mut member.clock {
                mapping.after = clock;
            }
        }
        self.tell(index)
    }

    /// A connection was closed.
    pub fn close(&mut self, now: CoordinatorInstant, from: ConnectionId) {
        if let Some(index) = self.find_member(from) {
            self.lose(index, now, "its connection was closed".to_owned());
        }
    }

    /// Time has passed. Call this several times a second.
    pub fn tick(&mut self, now: CoordinatorInstant) {
        for index in 0..self.settings.parts {
            if self.active_member(index).is_some_and(|member| now.since(member.heard) >= SILENCE) {
                self.lose(index, now, format!("it was silent for {SILENCE}"));
            }
        }
        if self.state == State::Gathering && now.since(self.opened) >= self.settings.join_timeout {
            self.stop(format!("after {}, {}", self.settings.join_timeout, self.describe_missing()));
        }
    }

    /// Makes all parts stop, for the first reason that is given.
    pub fn stop(&mut self, because: String) {
        self.state = match self.state {
            State::Gathering => State::Stopped { start: None, because },
            State::Started { at } => State::Stopped { start: Some(at), because },
            State::Stopped { .. } => return,
        };
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// The zero of the run, once it is settled.
    pub fn start(&self) -> Option<CoordinatorInstant> {
        match self.state {
            State::Gathering => None,
            State::Started { at } => Some(at),
            State::Stopped { start, .. } => start,
        }
    }

    /// Nothing is expected any more: every part has delivered or is lost, or the load was stopped before its start.
    pub fn is_over(&self) -> bool {
        match &self.state {
            State::Gathering => false,
            State::Stopped { start: None, .. } => true,
            State::Started { .. } | State::Stopped { .. } => !self.members.iter().flatten().any(Member::is_active),
        }
    }

    /// The parts in the order of their numbers. `None` for those that have not joined.
    pub fn members(&self) -> &[Option<Member>] {
        &self.members
    }

    /// "part 3 of 8 on node7 was lost at 41.2 s: ...", for each lost part.
    pub fn losses(&self) -> Vec<String> {
        (0..self.settings.parts).filter_map(|index| self.describe_loss(index)).collect()
    }

    fn describe_loss(&self, index: u16) -> Option<String> {
        let Member { node, stage: Stage::Lost { at, why }, .. } = self.members[usize::from(index)].as_ref()? else {
            return None;
        };
        let when = match self.start() {
            Some(start) if *at >= start => format!("at {:.1} s", at.since(start).as_secs_f64()),
            _ => "before the start".to_owned(),
        };
        Some(format!("part {index} of {} on {node} was lost {when}: {why}", self.settings.parts))
    }

    fn find_member(&self, connection: ConnectionId) -> Option<u16> {
        let is_it = |member: &Option<Member>| member.as_ref().is_some_and(|member| member.connection == connection);
        self.members.iter().position(is_it).map(|index| index as u16)
    }

    fn active_member(&mut self, index: u16) -> Option<&mut Member> {
        self.members[usize::from(index)].as_mut().filter(|member| member.is_active())
    }

    /// What a part is to do now.
    fn tell(&self, index: u16) -> Answer {
        match self.members[usize::from(index)].as_ref().map(|member| &member.stage) {
            Some(Stage::Lost { why, .. }) => Answer::Stop { because: format!("this part counts as lost: {why}") },
            Some(Stage::Delivered) => Answer::Stop { because: "the results of this part have arrived".to_owned() },
            _ => match &self.state {
                State::Gathering => Answer::GoOn,
                State::Started { at } => Answer::Start { at: *at },
                State::Stopped { because, .. } => Answer::Stop { because: because.clone() },
            },
        }
    }

    fn settle_start(&mut self, now: CoordinatorInstant) {
        let ready = |member: &Option<Member>| {
            member.as_ref().filter(|member| member.stage == Stage::Ready)?.clock.map(|clock| clock.before)
        };
        let clocks: Option<Vec<ClockMeasurement>> = self.members.iter().map(ready).collect();
        if let Some(clocks) = clocks {
            let worst = clocks.iter().map(|clock| clock.worst_round_trip).max().unwrap_or(Time::ZERO);
            // No round trip was longer than the meeting, whatever a part says.
            let worst = worst.min(now.since(self.opened));
            self.state = State::Started { at: now.plus(MIN_LEAD.max(worst.times(LEAD_ROUND_TRIPS))) };
        }
    }

    /// A part is lost. Before the start is settled that stops all: the load would not be the planned one from the
    /// beginning.
    fn lose(&mut self, index: u16, now: CoordinatorInstant, why: String) {
        let Some(member) = self.active_member(index) else { return };
        member.stage = Stage::Lost { at: now, why };
        if self.start().is_none() || self.settings.on_lost == OnLost::Stop {
            self.stop(self.describe_loss(index).unwrap_or_default());
        }
    }

    /// "not all of the 4 parts were ready. Missing: 1, 3. Not ready: 0 (numbered from 0)"
    fn describe_missing(&self) -> String {
        let with = |stage: Option<&Stage>| {
            let is_so = |(_, member): &(usize, &Option<Member>)| member.as_ref().map(|member| &member.stage) == stage;
            let numbers = self.members.iter().enumerate().filter(is_so).map(|(index, _)| index.to_string());
            numbers.collect::<Vec<_>>().join(", ")
        };
        let lists = [("Missing", with(None)), ("Not ready", with(Some(&Stage::Joined)))];
        let lists = lists.into_iter().filter(|(_, parts)| !parts.is_empty());
        let lists: String = lists.map(|(what, parts)| format!(". {what}: {parts}")).collect();
        format!("not all of the {} parts were ready{lists} (numbered from 0)", self.settings.parts)
    }
}

fn refused(refusal: &Refusal) -> Answer {
    Answer::Refused { because: refusal.to_string() }
}

/// The beginning of a text that a part has sent, without control characters.
fn shorten(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
