//! The shared state of a coordinator. Its methods neither block nor touch a socket: the connections of the parts and the
//! thread that waits for them call them in turn.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc;

use tokio::sync::mpsc::Sender;

use super::part::{CallResult, Part};
use crate::cluster::clock::{ClockMeasurement, CoordinatorInstant};
use crate::cluster::meeting::{Answer, ConnectionId, Meeting, MeetingSettings, Message, State};
use crate::cluster::protocol::{Call, Frame, ToPart};
use crate::load::{PartsProgress, WorkerResult};
use crate::script::{PlainValue, ScriptError};
use crate::units::Time;

/// The state of a coordinator.
pub struct Desk {
    meeting: Meeting,
    /// In the order of their numbers.
    parts: Vec<Part>,
    connections: HashMap<ConnectionId, u16>,
    loads: usize,
    /// The workers of each load in each part.
    threads: usize,
    next_call: u64,
    /// The parts were told to stop.
    told_stop: bool,
}

/// What a part sent that cannot be true. Its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part sent what cannot be true")]
pub struct Implausible;

impl Desk {
    /// A meeting for `loads` loads with `threads` workers each in each part.
    pub fn new(settings: MeetingSettings, (loads, threads): (usize, usize), now: CoordinatorInstant) -> Desk {
        let parts = (0..settings.parts).map(|_| Part::default()).collect();
        Desk {
            meeting: Meeting::new(settings, now),
            parts,
            connections: HashMap::new(),
            loads,
            threads,
            next_call: 0,
            told_stop: false,
        }
    }

    pub fn meeting(&self) -> &Meeting {
        &self.meeting
    }

    /// How many loads each part has.
    pub fn loads(&self) -> usize {
        self.loads
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A message of the meeting has come. `outgoing` leads to its sender.
    pub fn receive(
        &mut self,
        now: CoordinatorInstant,
        from: ConnectionId,
        message: Message,
        outgoing: &Sender<Frame>,
    ) -> Answer {
        if let (Message::Beat { counts }, Some(index)) = (&message, self.active_part(from)) {
            self.parts[usize::from(index)].note_beat(counts);
        }
        let is_join = matches!(message, Message::Join(_));
        let answer = self.meeting.receive(now, from, message);
        if let Answer::Accepted { part } = &answer {
            self.connections.insert(from, part.index);
            self.parts[usize::from(part.index)].outgoing = Some(outgoing.clone());
        } else if is_join {
            return answer;
        }
        self.settle();
        answer
    }

    /// The number of the part of this connection, while it is not lost and has not delivered.
    pub fn active_part(&self, from: ConnectionId) -> Option<u16> {
        let index = *self.connections.get(&from)?;
        self.meeting.members()[usize::from(index)].as_ref().filter(|member| member.is_active()).map(|_| index)
    }

    /// Something else came from a part.
    pub fn hear(&mut self, now: CoordinatorInstant, from: ConnectionId) {
        self.meeting.hear(now, from);
    }

    pub fn note_loaded(&mut self, from: ConnectionId, addresses: Vec<SocketAddr>) -> Result<(), Implausible> {
        let loads = self.loads;
        let part = self.part_of(from)?;
        if addresses.len() != loads {
            return Err(Implausible);
        }
        part.addresses = Some(addresses);
        Ok(())
    }

    pub fn note_prepared(&mut self, from: ConnectionId) -> Result<(), Implausible> {
        self.part_of(from)?.is_prepared = true;
        Ok(())
    }

    /// The answer to a call of the main script.
    pub fn note_called(&mut self, from: ConnectionId, number: u64, result: CallResult) {
        let part = self.connections.get(&from).map(|index| &mut self.parts[usize::from(*index)]);
        if let Some(waiting) = part.and_then(|part| part.calls.remove(&number)) {
            // The main script may have ended.
            let _ = waiting.send(result);
        }
    }

    /// The result of a worker. Each comes once.
    pub fn note_result(&mut self, from: ConnectionId, load: usize, result: WorkerResult) -> Result<(), Implausible> {
        let (loads, threads) = (self.loads, self.threads);
        let part = self.part_of(from)?;
        let is_known = part.results.iter().any(|(of, known)| (*of, known.thread) == (load, result.thread));
        if load >= loads || result.thread >= threads || is_known || !result.is_plausible() {
            return Err(Implausible);
        }
        part.results.push((load, result));
        Ok(())
    }

    /// A part says that all of it was sent.
    pub fn note_delivered(&mut self, from: ConnectionId, clock: Option<ClockMeasurement>) -> Result<(), Implausible> {
        let expected = self.loads * self.threads;
        let has_started = self.meeting.start().is_some();
        let part = self.part_of(from)?;
        if has_started && part.results.len() != expected {
            return Err(Implausible);
        }
        let answer = self.meeting.deliver(from, clock);
        self.push_to(from, &ToPart::Answer(answer));
        Ok(())
    }

    /// A connection was closed.
    pub fn close(&mut self, now: CoordinatorInstant, from: ConnectionId) {
        self.meeting.close(now, from);
        if let Some(index) = self.connections.remove(&from) {
            self.parts[usize::from(index)].leave();
        }
        self.settle();
    }

    pub fn tick(&mut self, now: CoordinatorInstant) {
        self.meeting.tick(now);
        self.settle();
    }

    pub fn stop(&mut self, because: String) {
        self.meeting.stop(because);
        self.settle();
    }

    /// The coordinator ends: parts are told to leave, and calls have no answer any more.
    pub fn leave_all(&mut self) {
        self.push_all(&ToPart::Leave);
        self.parts.iter_mut().for_each(Part::leave);
    }

    /// Sends a message to all parts.
    pub fn push_all(&self, message: &ToPart) {
        self.parts.iter().for_each(|part| part.push(message));
    }

    /// Calls the script of a thread. The answer comes over the channel; it is closed if the part is gone.
    pub fn call(
        &mut self,
        part: u16,
        load: usize,
        thread: usize,
        call: Call,
        value: &PlainValue,
    ) -> mpsc::Receiver<CallResult> {
        let (sender, answer) = mpsc::channel();
        let number = self.next_call;
        self.next_call += 1;
        let waits = matches!(call, Call::Get { .. } | Call::Set { .. });
        let part = &mut self.parts[usize::from(part)];
        let body = if matches!(call, Call::Set { .. }) { value.to_bytes() } else { Vec::new() };
        part.push_frame(Frame::with_body(&ToPart::Call { number, load, thread, call }, body.into()));
        if waits && part.outgoing.is_some() {
            part.calls.insert(number, sender);
        }
        answer
    }

    /// The progress of the parts. The worst send lag is since the last call.
    pub fn take_progress(&mut self) -> PartsProgress {
        let lost = self.meeting.losses().len() as u16;
        let nodes = self.meeting.members().iter().map(|member| member.as_ref().map(|member| member.node.clone()));
        let lags = self.parts.iter_mut().map(|part| std::mem::replace(&mut part.send_lag, Time::ZERO));
        let worst = lags.zip(nodes).max_by_key(|(lag, _)| *lag).filter(|(lag, _)| *lag > Time::ZERO);
        let parts = self.parts.len() as u16;
        PartsProgress { active: parts - lost, parts, send_lag: worst.and_then(|(lag, node)| Some((lag, node?))) }
    }

    fn part_of(&mut self, from: ConnectionId) -> Result<&mut Part, Implausible> {
        let index = self.active_part(from).ok_or(Implausible)?;
        Ok(&mut self.parts[usize::from(index)])
    }

    fn push_to(&self, to: ConnectionId, message: &ToPart) {
        if let Some(index) = self.connections.get(&to) {
            self.parts[usize::from(*index)].push(message);
        }
    }

    /// Tells all parts at once that the load is stopped. They would learn it from their next beat, too. Calls to lost parts
    /// have no answer.
    fn settle(&mut self) {
        if let State::Stopped { because, .. } = self.meeting.state()
            && !self.told_stop
        {
            self.told_stop = true;
            let because = because.clone();
            self.push_all(&ToPart::Answer(Answer::Stop { because }));
        }
        for (part, member) in self.parts.iter_mut().zip(self.meeting.members()) {
            if member.as_ref().is_some_and(|member| member.is_lost()) {
                part.calls.clear();
            }
        }
    }
}

/// The text of an error of a script in another process.
pub fn script_error(bytes: &[u8]) -> ScriptError {
    ScriptError::from(String::from_utf8_lossy(bytes).into_owned())
}
