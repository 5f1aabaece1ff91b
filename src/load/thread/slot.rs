//! The slot of a connection: the attempts that the rest of the worker gives to it, and whether its task waits. Pure:
//! instants are arguments.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::requests::{Payload, PayloadPart};
use super::timestamp_mapper::ReadTime;
use crate::record::RequestRecord;
use crate::units::{Instant, Time};

/// The attempts of one connection.
#[derive(Default)]
pub struct Slot {
    waker: Option<Waker>,
    /// Attempts that are not over, in order. With HTTP/1.1 responses come in that order.
    attempts: VecDeque<Attempt>,
    /// The number of attempts at the end of the queue that the connection has not begun to write.
    unwritten: usize,
    is_abandoned: bool,
    /// The task of the connection runs, and sees all changes before it waits again.
    is_running: bool,
}

/// An attempt that is assigned to a connection.
pub struct Attempt {
    pub record: RequestRecord,
    pub part: PayloadPart,
    /// The bytes to write for this attempt and for the attempts that are joined to it. Empty for a joined attempt.
    pub bytes: Range<usize>,
    /// The timeout runs since this instant.
    pub started: Instant,
    /// Its latency counts in the histograms.
    pub is_sample: bool,
}

impl Attempt {
    /// The record of an attempt that is over at `end`, and whether it reached `timeout` by then.
    pub fn record_at(&self, end: Instant, timeout: Time) -> RequestRecord {
        let mut record = self.record;
        record.end = end;
        record.set_timed_out(end >= self.started.plus(timeout));
        record
    }

    /// The record of an answered attempt. The end of the response was read at `time`. No error of a clock puts it before the
    /// start of the attempt.
    pub fn answered_record(&self, time: ReadTime, timeout: Time) -> RequestRecord {
        let start = self.record.first_byte.known().max(self.record.sent.known()).unwrap_or(Instant::START);
        let mut record = self.record_at(time.arrived.max(start).min(time.seen), timeout);
        record.seen = time.seen;
        record
    }
}

/// Bytes to write.
pub struct Outgoing {
    pub payload: Rc<Payload>,
    pub bytes: Range<usize>,
}

impl Slot {
    pub fn add(&mut self, attempt: Attempt) {
        self.attempts.push_back(attempt);
        self.unwritten += 1;
    }

    /// It has attempts that are not over.
    pub fn has_attempts(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// It has begun to write an attempt that is not over, and so expects a response.
    pub fn awaits_response(&self) -> bool {
        self.attempts.len() > self.unwritten
    }

    pub fn has_unwritten(&self) -> bool {
        self.unwritten > 0
    }

    /// The last attempt to be written is not written yet, and so is the first one.
    pub fn has_unwritten_only(&self) -> bool {
        self.unwritten > 0 && self.unwritten == self.attempts.len()
    }

    /// The attempt that the next response belongs to.
    pub fn first(&self) -> Option<&Attempt> {
        self.attempts.front()
    }

    pub fn first_mut(&mut self) -> Option<&mut Attempt> {
        self.attempts.front_mut()
    }

    /// The attempt that is written next.
    pub fn first_unwritten(&self) -> Option<&Attempt> {
        self.attempts.get(self.attempts.len() - self.unwritten)
    }

    /// Takes the bytes of the next attempt to write. It counts as sent at `now`, and so do those that are joined to it.
    pub fn next_outgoing(&mut self, now: Instant) -> Option<Outgoing> {
        let begun = self.attempts.len() - self.unwritten;
        let mut unwritten = self.attempts.iter_mut().skip(begun);
        let first = unwritten.next()?;
        first.record.sent = now;
        let outgoing = Outgoing { payload: Rc::clone(&first.part.payload), bytes: first.bytes.clone() };
        self.unwritten -= 1;
        for joined in unwritten.take_while(|attempt| attempt.bytes.is_empty()) {
            joined.record.sent = now;
            self.unwritten -= 1;
        }
        Some(outgoing)
    }

    /// Removes the first attempt. After the last one the slot is not abandoned any more.
    pub fn end_first(&mut self) -> Option<Attempt> {
        let attempt = self.attempts.pop_front()?;
        self.unwritten = self.unwritten.min(self.attempts.len());
        self.is_abandoned &= self.has_attempts();
        Some(attempt)
    }

    /// All attempts can be sent from `now` on, if they could not before.
    pub fn mark_ready(&mut self, now: Instant) {
        let unready = self.attempts.iter_mut().filter(|attempt| attempt.record.ready == Instant::NEVER);
        unready.for_each(|attempt| attempt.record.ready = now);
    }

    /// Removes all attempts.
    pub fn take_all(&mut self) -> impl Iterator<Item = Attempt> + '_ {
        self.unwritten = 0;
        self.attempts.drain(..)
    }

    /// Abandons the attempts if the oldest has reached `timeout` by `now`. Otherwise returns the instant at which it does.
    pub fn abandon_expired(&mut self, now: Instant, timeout: Time) -> Option<Instant> {
        // The first attempt is the oldest.
        let expires = self.attempts.front().filter(|_| !self.is_abandoned)?.started.plus(timeout);
        if expires > now {
            return Some(expires);
        }
        self.is_abandoned = true;
        self.wake();
        None
    }

    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Ready if `is_ready`; otherwise the task waits.
    pub fn poll(&mut self, is_ready: bool, cx: &mut Context<'_>) -> Poll<()> {
        if is_ready {
            return Poll::Ready(());
        }
        self.mark_waiting(cx);
        Poll::Pending
    }

    /// The task runs and sees all changes: it needs no wake-up.
    pub fn mark_running(&mut self) {
        self.is_running = true;
    }

    /// The task waits until something changes.
    pub fn mark_waiting(&mut self, cx: &mut Context<'_>) {
        self.is_running = false;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// Wakes the task if it waits.
    pub fn wake(&mut self) {
        if !self.is_running
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Request `request`, assigned at `started`. If it has no bytes, it is sent with the attempt before it.
    fn attempt(request: u64, started: u64, bytes: Range<usize>) -> Attempt {
        let part = PayloadPart { payload: Rc::default(), index: 0 };
        Attempt {
            record: RequestRecord::planned(request, Instant::START, 0),
            part,
            bytes,
            started: Instant(started),
            is_sample: true,
        }
    }

    fn slot(attempts: impl IntoIterator<Item = Attempt>) -> Slot {
        let mut slot = Slot::default();
        attempts.into_iter().for_each(|attempt| slot.add(attempt));
        slot
    }

    #[test]
    fn a_response_ends_when_it_arrived_but_never_before_it_began() {
        let mut sent = attempt(0, 90, 0..9);
        sent.record.sent = Instant(100);
        let record = |attempt: &Attempt, arrived, seen| {
            let time = ReadTime { arrived: Instant(arrived), seen: Instant(seen) };
            let record = attempt.answered_record(time, Time(60));
            (record.end.0, record.seen.0, record.timed_out())
        };
        assert_eq!(record(&sent, 140, 170), (140, 170, false), "it was not late, only read late");
        assert_eq!(record(&sent, 150, 170), (150, 170, true));
        assert_eq!(record(&sent, 170, 170), (170, 170, true));
        assert_eq!(record(&sent, 99, 170), (100, 170, false));
        sent.record.first_byte = Instant(120);
        assert_eq!(record(&sent, 119, 130), (120, 130, false));
        assert_eq!(record(&sent, 110, 110), (110, 110, false), "and never after it was read");
        assert_eq!(sent.record_at(Instant(300), Time(60)).seen, Instant::NEVER);
    }

    #[test]
    fn joined_requests_are_sent_with_the_first() {
        let mut slot = slot([attempt(0, 0, 0..9), attempt(1, 0, 0..0), attempt(2, 0, 0..5)]);
        assert!(slot.has_attempts() && !slot.awaits_response());
        assert_eq!(slot.next_outgoing(Instant(7)).unwrap().bytes, 0..9);
        assert_eq!(slot.next_outgoing(Instant(8)).unwrap().bytes, 0..5);
        assert!(slot.next_outgoing(Instant(9)).is_none() && slot.awaits_response());
        let sent: Vec<u64> = std::iter::from_fn(|| slot.end_first()).map(|attempt| attempt.record.sent.0).collect();
        assert_eq!(sent, [7, 7, 8]);
        assert!(!slot.has_attempts());
    }

    #[test]
    fn a_request_assigned_while_a_response_is_expected_is_written_next() {
        let mut slot = slot([attempt(0, 0, 0..9)]);
        assert!(slot.next_outgoing(Instant(1)).is_some());
        slot.add(attempt(1, 0, 0..9));
        assert_eq!(slot.end_first().unwrap().record.request, 0);
        assert!(!slot.awaits_response(), "the second is not written yet");
        assert!(slot.next_outgoing(Instant(2)).is_some() && slot.awaits_response());
        assert_eq!(slot.first().unwrap().record.request, 1);
    }

    #[test]
    fn a_slot_is_abandoned_until_its_last_attempt_is_over() {
        let mut slot = slot([attempt(0, 10, 0..1), attempt(1, 10, 0..0)]);
        assert_eq!(slot.abandon_expired(Instant(14), Time(5)), Some(Instant(15)));
        assert_eq!(slot.abandon_expired(Instant(15), Time(5)), None);
        assert!(slot.is_abandoned() && slot.end_first().is_some() && slot.is_abandoned());
        assert!(slot.end_first().is_some() && !slot.is_abandoned());
    }
}
