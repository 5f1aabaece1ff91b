//! One connection as the rest of its thread sees it: what it has taken on, and whether it sleeps. Pure: instants come in
//! as arguments.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::requests::{Payload, PayloadPart};
use crate::record::RequestRecord;
use crate::units::{Instant, Time};

/// The work of one connection.
#[derive(Default)]
pub struct Slot {
    waker: Option<Waker>,
    /// What it has taken on and not concluded, in order. With HTTP/1 answers come in that order.
    work: VecDeque<Attempt>,
    /// How many of those, at the end, it has not begun to write.
    unwritten: usize,
    abandon: bool,
    /// Its task is running, and will look at all of this before it sleeps.
    awake: bool,
}

/// An attempt that a connection has taken on.
pub struct Attempt {
    pub record: RequestRecord,
    pub piece: PayloadPart,
    /// The bytes that go out when it is this attempt's turn: those of all that were joined to it. None for these.
    pub bytes: Range<usize>,
    /// Since when the timeout runs.
    pub since: Instant,
    /// Its latency counts.
    pub is_sample: bool,
}

impl Attempt {
    /// Its record, as it is over at `end`: whether it had outlived `timeout` by then.
    pub fn ended(&self, end: Instant, timeout: Time) -> RequestRecord {
        let mut record = self.record;
        record.end = end;
        record.set_timed_out(end >= self.since.plus(timeout));
        record
    }
}

/// Bytes to be written, of attempts whose turn it is.
pub struct Outgoing {
    pub payload: Rc<Payload>,
    pub bytes: Range<usize>,
}

impl Slot {
    pub fn take_on(&mut self, attempt: Attempt) {
        self.work.push_back(attempt);
        self.unwritten += 1;
    }

    /// It has attempts that are not concluded.
    pub fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// An answer may come: it has begun to write an attempt that is not concluded.
    pub fn awaits_answer(&self) -> bool {
        self.work.len() > self.unwritten
    }

    pub fn has_unwritten(&self) -> bool {
        self.unwritten > 0
    }

    /// The attempt that the next answer is for.
    pub fn first(&self) -> Option<&Attempt> {
        self.work.front()
    }

    pub fn first_mut(&mut self) -> Option<&mut Attempt> {
        self.work.front_mut()
    }

    /// What it has to write next, which counts as sent at `now`, as does what was joined to it.
    pub fn next_outgoing(&mut self, now: Instant) -> Option<Outgoing> {
        let begun = self.work.len() - self.unwritten;
        let mut turns = self.work.iter_mut().skip(begun);
        let first = turns.next()?;
        first.record.sent = now;
        let outgoing = Outgoing { payload: Rc::clone(&first.piece.payload), bytes: first.bytes.clone() };
        self.unwritten -= 1;
        for joined in turns.take_while(|attempt| attempt.bytes.is_empty()) {
            joined.record.sent = now;
            self.unwritten -= 1;
        }
        Some(outgoing)
    }

    /// The first attempt is over. With the last, nobody gives up on anything any more.
    pub fn end(&mut self) -> Option<Attempt> {
        let attempt = self.work.pop_front()?;
        self.unwritten = self.unwritten.min(self.work.len());
        self.abandon &= self.has_work();
        Some(attempt)
    }

    /// All that it has, as the run ends.
    pub fn leave(&mut self) -> impl Iterator<Item = Attempt> + '_ {
        self.unwritten = 0;
        self.work.drain(..)
    }

    /// Has it abandon what it carries, if that has outlived `timeout` by `now`; says when it will have otherwise.
    pub fn expire(&mut self, now: Instant, timeout: Time) -> Option<Instant> {
        // In order, the first is the oldest.
        let expires = self.work.front().filter(|_| !self.abandon)?.since.plus(timeout);
        if expires > now {
            return Some(expires);
        }
        self.abandon = true;
        self.wake();
        None
    }

    /// The client has given up on what it carries.
    pub fn is_abandoned(&self) -> bool {
        self.abandon
    }

    /// Ready where `done`; its task sleeps otherwise.
    pub fn poll(&mut self, done: bool, cx: &mut Context<'_>) -> Poll<()> {
        if done {
            return Poll::Ready(());
        }
        self.sleep(cx);
        Poll::Pending
    }

    /// Its task runs, and looks at everything: no need to wake it.
    pub fn wakes(&mut self) {
        self.awake = true;
    }

    /// Its task sleeps until there is something new to do.
    pub fn sleep(&mut self, cx: &mut Context<'_>) {
        self.awake = false;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    pub fn wake(&mut self) {
        if !self.awake
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number `request`, taken on at `since`; joined to the one before it where it has no bytes of its own.
    fn attempt(request: u64, since: u64, bytes: Range<usize>) -> Attempt {
        let piece = PayloadPart { payload: Rc::default(), part: 0 };
        Attempt {
            record: RequestRecord::planned(request, Instant::START, 0),
            piece,
            bytes,
            since: Instant(since),
            is_sample: true,
        }
    }

    fn slot(attempts: impl IntoIterator<Item = Attempt>) -> Slot {
        let mut slot = Slot::default();
        attempts.into_iter().for_each(|attempt| slot.take_on(attempt));
        slot
    }

    #[test]
    fn what_was_joined_is_sent_with_the_first() {
        let mut slot = slot([attempt(0, 0, 0..9), attempt(1, 0, 0..0), attempt(2, 0, 0..5)]);
        assert!(slot.has_work() && !slot.awaits_answer());
        assert_eq!(slot.next_outgoing(Instant(7)).unwrap().bytes, 0..9);
        assert_eq!(slot.next_outgoing(Instant(8)).unwrap().bytes, 0..5);
        assert!(slot.next_outgoing(Instant(9)).is_none() && slot.awaits_answer());
        let sent: Vec<u64> = std::iter::from_fn(|| slot.end()).map(|attempt| attempt.record.sent.0).collect();
        assert_eq!(sent, [7, 7, 8]);
        assert!(!slot.has_work());
    }

    #[test]
    fn what_comes_while_answers_are_awaited_is_written_behind() {
        let mut slot = slot([attempt(0, 0, 0..9)]);
        assert!(slot.next_outgoing(Instant(1)).is_some());
        slot.take_on(attempt(1, 0, 0..9));
        assert_eq!(slot.end().unwrap().record.request, 0);
        assert!(!slot.awaits_answer(), "the second is not written yet");
        assert!(slot.next_outgoing(Instant(2)).is_some() && slot.awaits_answer());
        assert_eq!(slot.first().unwrap().record.request, 1);
    }

    #[test]
    fn giving_up_ends_with_the_last_attempt() {
        let mut slot = slot([attempt(0, 10, 0..1), attempt(1, 10, 0..0)]);
        assert_eq!(slot.expire(Instant(14), Time(5)), Some(Instant(15)));
        assert_eq!(slot.expire(Instant(15), Time(5)), None);
        assert!(slot.is_abandoned() && slot.end().is_some() && slot.is_abandoned());
        assert!(slot.end().is_some() && !slot.is_abandoned());
    }
}
