//! What the tasks of one thread share: the schedule, the slots of its connections, its memory. Nothing of it is
//! shared with another thread while it runs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::dispatch::{Dispatcher, Work};
use super::log::Log;
use super::plan::{LoadPlan, OnTimeout};
use super::requests::{Payload, Piece, Requests};
use super::transport::{Stream, Transport};
use crate::record::{Clock, NEVER, Outcome, RequestRecord};
use crate::script::ScriptError;

/// One connection, as the others see it.
#[derive(Default)]
struct Slot {
    waker: Option<Waker>,
    /// What it has taken on and not concluded, in order. With HTTP/1 answers come in that order.
    work: VecDeque<Assigned>,
    /// How many of those, at the end, it has not begun to write.
    unwritten: usize,
    abandon: bool,
    /// Its task is running, and will look at all of this before it sleeps.
    awake: bool,
}

/// An attempt that a connection has.
struct Assigned {
    record: RequestRecord,
    piece: Piece,
    /// The bytes that go out when it is this attempt's turn: those of all that were joined to it. None for these.
    bytes: Range<usize>,
    /// Since when the timeout runs.
    since: u64,
    /// Its latency counts.
    is_sample: bool,
}

/// Bytes to be written, of attempts whose turn it is.
pub struct Outgoing {
    pub payload: Rc<Payload>,
    pub bytes: Range<usize>,
}

/// One thread's shared state.
pub struct Core {
    pub plan: LoadPlan,
    transport: Transport,
    pub dispatcher: RefCell<Dispatcher>,
    pub requests: RefCell<Requests>,
    pub log: RefCell<Log>,
    /// Where all connections read to: one buffer a thread, not one a connection.
    pub scratch: RefCell<Box<[u8]>>,
    pub opened: Cell<u64>,
    pub connect_errors: Cell<u64>,
    /// Answers that nobody had asked for, on connections that were closed for it.
    pub unasked: Cell<u64>,
    /// With HTTP/2: the fewest streams that a connection was allowed.
    pub fewest_streams: Cell<usize>,
    thread: u16,
    clock: Cell<Clock>,
    slots: RefCell<Vec<Slot>>,
    vacant: RefCell<Vec<usize>>,
    failure: RefCell<Option<ScriptError>>,
    nudged: Cell<bool>,
    /// The pacer sleeps until a connection is free or nothing is in flight, not only until an instant.
    waits: Cell<bool>,
    pacer: RefCell<Option<Waker>>,
}

const SCRATCH: usize = 64 * 1024;

impl Core {
    pub fn new(
        plan: LoadPlan,
        thread: usize,
        transport: Transport,
        clock: Clock,
        requests: Requests,
        log: Log,
    ) -> Core {
        Core {
            dispatcher: RefCell::new(Dispatcher::new(&plan, thread)),
            fewest_streams: Cell::new(plan.streams),
            plan,
            transport,
            requests: RefCell::new(requests),
            log: RefCell::new(log),
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            opened: Cell::new(0),
            connect_errors: Cell::new(0),
            unasked: Cell::new(0),
            thread: thread as u16,
            clock: Cell::new(clock),
            slots: RefCell::default(),
            vacant: RefCell::default(),
            failure: RefCell::new(None),
            nudged: Cell::new(false),
            waits: Cell::new(true),
            pacer: RefCell::new(None),
        }
    }

    /// Now, in ns since the start of load.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.get().now()
    }

    pub fn clock(&self) -> Clock {
        self.clock.get()
    }

    pub fn set_clock(&self, clock: Clock) {
        self.clock.set(clock);
    }

    /// A new connection to where the script, if there is one, wants it.
    pub async fn connect(&self) -> io::Result<Stream> {
        let address = self.requests.borrow().vm().address();
        self.transport.connect(address).await
    }

    // ---- slots

    /// A place for a connection.
    pub fn new_slot(&self) -> usize {
        let mut slots = self.slots.borrow_mut();
        self.vacant.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() - 1
        })
    }

    /// A connection is gone for good.
    pub fn retire(&self, id: usize) {
        self.slots.borrow_mut()[id] = Slot::default();
        self.vacant.borrow_mut().push(id);
        self.dispatcher.borrow_mut().closed();
        self.nudge_if_it_waits();
    }

    /// Gives a connection an attempt at `now`, or as many as the script wants in one string of bytes. Where the script
    /// fails, the run is over.
    pub fn assign(&self, id: usize, work: Work, now: u64) {
        let Work { record, piece } = work;
        if let Some(piece) = piece {
            let bytes = piece.range();
            return self.take_on(id, [Assigned { record, piece, bytes, since: now, is_sample: true }]);
        }
        let payload = match self.requests.borrow_mut().next() {
            Ok(payload) => payload,
            Err(error) => return self.fail_unsent(error, record),
        };
        if self.plan.http2 {
            self.spread(id, record, &payload, now);
        } else {
            self.join(id, record, &payload, now);
        }
        if payload.last {
            self.end_arrivals(now);
        }
    }

    /// All requests of a payload go out together on one connection.
    fn join(&self, id: usize, record: RequestRecord, payload: &Rc<Payload>, now: u64) {
        let requests = payload.parts.len();
        let attempts = Piece::all(payload).map(|piece| {
            let joined = piece.part > 0;
            Assigned {
                record: if joined { self.dispatcher.borrow_mut().joined(&record, now) } else { record },
                bytes: if joined { 0..0 } else { 0..payload.bytes.len() },
                since: now,
                is_sample: !self.plan.batch_latency || piece.part + 1 == requests,
                piece,
            }
        });
        self.take_on(id, attempts);
    }

    /// Each request of a payload has a stream of its own: those behind the first go wherever there is a place.
    fn spread(&self, id: usize, record: RequestRecord, payload: &Rc<Payload>, now: u64) {
        let mut pieces = Piece::all(payload);
        let first =
            pieces.next().map(|piece| Assigned { record, bytes: piece.range(), piece, since: now, is_sample: true });
        self.take_on(id, first);
        for piece in pieces {
            let mut dispatcher = self.dispatcher.borrow_mut();
            let work = Work { record: dispatcher.joined(&record, now), piece: Some(piece) };
            dispatcher.put_off(work, now);
            drop(dispatcher);
            self.nudge();
        }
    }

    fn take_on(&self, id: usize, attempts: impl IntoIterator<Item = Assigned>) {
        let slot = &mut self.slots.borrow_mut()[id];
        let mut log = self.log.borrow_mut();
        for mut attempt in attempts {
            attempt.record.connection = id as u32;
            attempt.record.set_warmup(attempt.record.intended < self.plan.warmup.0);
            log.begin(&attempt.record);
            slot.work.push_back(attempt);
            slot.unwritten += 1;
        }
        slot.wake();
    }

    /// The script's `delay` says by how much the request is put off.
    pub fn put_off(&self, work: Work) {
        let delay = self.requests.borrow().vm().delay();
        match delay {
            Ok(delay) => {
                let due = work.record.ready.saturating_add(delay.0);
                self.dispatcher.borrow_mut().put_off(work, due);
            }
            Err(error) => self.fail_unsent(error, work.record),
        }
    }

    /// The connection's task runs, and looks at everything: no need to wake it.
    pub fn wakes(&self, id: usize) {
        self.slots.borrow_mut()[id].awake = true;
    }

    /// The connection's task sleeps until it has something new to do.
    pub fn sleeps(&self, id: usize, cx: &mut Context<'_>) {
        self.slots.borrow_mut()[id].sleep(cx);
    }

    /// The client has given up on what the connection carries.
    pub fn is_abandoned(&self, id: usize) -> bool {
        self.slots.borrow()[id].abandon
    }

    /// Ready once the client gives up on what the connection carries.
    pub fn poll_abandoned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        if slot.abandon {
            return Poll::Ready(());
        }
        slot.sleep(cx);
        Poll::Pending
    }

    /// The connection has attempts that are not concluded.
    pub fn has_work(&self, id: usize) -> bool {
        !self.slots.borrow()[id].work.is_empty()
    }

    /// What the connection has to write next; it counts as sent from now on.
    pub fn next_outgoing(&self, id: usize) -> Option<Outgoing> {
        let slot = &mut self.slots.borrow_mut()[id];
        let begun = slot.work.len() - slot.unwritten;
        let mut turns = slot.work.iter_mut().skip(begun);
        let first = turns.next()?;
        let now = self.now();
        first.record.sent = now;
        let outgoing = Outgoing { payload: Rc::clone(&first.piece.payload), bytes: first.bytes.clone() };
        slot.unwritten -= 1;
        for joined in turns.take_while(|attempt| attempt.bytes.is_empty()) {
            joined.record.sent = now;
            slot.unwritten -= 1;
        }
        Some(outgoing)
    }

    /// An answer may come: the connection has begun to write an attempt that is not concluded.
    pub fn awaits_answer(&self, id: usize) -> bool {
        let slot = &self.slots.borrow()[id];
        slot.work.len() > slot.unwritten
    }

    /// The script may have stopped its thread in what it was just told.
    pub fn heed_stop(&self, now: u64) {
        if self.requests.borrow().vm().stopped() {
            self.end_arrivals(now);
        }
    }

    /// The request of the first attempt that a connection has.
    pub fn piece(&self, id: usize) -> Option<Piece> {
        self.slots.borrow()[id].work.front().map(|attempt| attempt.piece.clone())
    }

    /// Ready once the connection has an attempt.
    pub fn poll_assigned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        if !slot.work.is_empty() {
            return Poll::Ready(());
        }
        slot.sleep(cx);
        Poll::Pending
    }

    /// Whether the first attempt that the connection has, the one that the next answer is for, is a HEAD.
    pub fn is_head(&self, id: usize) -> bool {
        self.slots.borrow()[id].work.front().is_some_and(|attempt| attempt.piece.is_head())
    }

    /// Changes the record of the first attempt that a connection has.
    #[inline]
    pub fn note(&self, id: usize, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(attempt) = self.slots.borrow_mut()[id].work.front_mut() {
            change(&mut attempt.record);
        }
    }

    /// The connection may take work from `now` on; it may get some at once.
    pub fn offer(&self, id: usize, now: u64) {
        let work = self.dispatcher.borrow_mut().offer(id, now);
        match work {
            Some(work) => self.assign(id, work, now),
            None => self.nudge_if_it_waits(),
        }
    }

    /// The first attempt that a connection had is over at `now`. Records it, and plans a retry where it failed.
    pub fn conclude(&self, id: usize, outcome: Outcome, now: u64) {
        let Some(attempt) = self.slots.borrow_mut()[id].end() else { return };
        let Assigned { mut record, piece, is_sample, .. } = attempt;
        record.end = now;
        record.set_outcome(outcome);
        record.set_timed_out(record.timed_out() || outcome == Outcome::Abandoned);
        let retries = self.plan.retries;
        let failed = outcome.is_failure() || record.status >= 500;
        let again = failed && record.attempt < retries.count && self.failure.borrow().is_none();
        record.set_last(!again);
        let mut dispatcher = self.dispatcher.borrow_mut();
        let mut log = self.log.borrow_mut();
        log.end(&record, dispatcher.until(), is_sample);
        if again {
            let wait = retries.backoff.times(1 << record.attempt.min(20));
            dispatcher.retry(&record, piece, now.saturating_add(wait.0));
            self.nudge();
        } else {
            self.requests.borrow_mut().recycle(piece.payload);
            if log.in_flight == 0 {
                // That may have been the last, and nobody knows when its connection is free again.
                self.nudge_if_it_waits();
            }
        }
    }

    /// All attempts that a connection had end with it. What was never written could not be.
    pub fn conclude_all(&self, id: usize, outcome: Outcome, now: u64) {
        loop {
            let sent = self.slots.borrow()[id].work.front().map(|attempt| attempt.record.sent != NEVER);
            match (sent, outcome) {
                (None, _) => return,
                (Some(false), Outcome::ReadError) => self.conclude(id, Outcome::WriteError, now),
                _ => self.conclude(id, outcome, now),
            }
        }
    }

    /// Builds the next request ahead of its time.
    pub fn prepare(&self) {
        if let Err(error) = self.requests.borrow_mut().prepare() {
            self.fail(error);
        }
    }

    /// Counts (or abandons) the attempts that have outlived the timeout by `now`; says when the next one will have.
    pub fn expire(&self, now: u64) -> u64 {
        let timeout = self.plan.timeout.0;
        let abandon = self.plan.on_timeout == OnTimeout::Abandon;
        let mut next = u64::MAX;
        for slot in self.slots.borrow_mut().iter_mut().filter(|slot| !slot.abandon) {
            for attempt in slot.work.iter_mut().filter(|attempt| !attempt.record.timed_out()) {
                let expires = attempt.since.saturating_add(timeout);
                if expires > now {
                    next = next.min(expires);
                } else if abandon {
                    slot.abandon = true;
                } else {
                    attempt.record.set_timed_out(true);
                }
            }
            if slot.abandon {
                slot.wake();
            }
        }
        next
    }

    /// No further arrivals from `now` on, for the script or its user wants it so.
    pub fn end_arrivals(&self, now: u64) {
        self.dispatcher.borrow_mut().end_arrivals(now);
        self.nudge();
    }

    // ---- the end

    /// The script failed: the run is over.
    pub fn fail(&self, error: ScriptError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.nudge();
    }

    fn fail_unsent(&self, error: ScriptError, mut record: RequestRecord) {
        self.fail(error);
        record.ready = NEVER;
        self.leave(record, true, self.now());
    }

    pub fn failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub fn take_failure(&self) -> Option<ScriptError> {
        self.failure.borrow_mut().take()
    }

    /// Accounts for everything that is still open at `now`: in flight, waiting to be retried, never sent.
    pub fn settle(&self, now: u64) {
        let open: Vec<Assigned> = self.slots.borrow_mut().iter_mut().flat_map(|slot| slot.work.drain(..)).collect();
        for attempt in open {
            self.leave(attempt.record, attempt.is_sample, now);
        }
        let later = self.dispatcher.borrow_mut().left_for_later();
        for record in later {
            self.leave(record, true, now);
        }
        loop {
            let Some(record) = self.dispatcher.borrow_mut().next_unsent() else { break };
            self.leave(record, true, now);
        }
    }

    fn leave(&self, mut record: RequestRecord, is_sample: bool, now: u64) {
        // A retry that still waits is of a request that was sent.
        let sent = record.sent != NEVER || record.attempt > 0;
        record.end = now.max(record.intended);
        record.set_outcome(if sent { Outcome::Unanswered } else { Outcome::Unsent });
        record.set_last(true);
        record.set_warmup(record.intended < self.plan.warmup.0);
        self.log.borrow_mut().leave(&record, is_sample);
    }

    /// The thread's number, from 0.
    pub fn thread(&self) -> u16 {
        self.thread
    }

    // ---- the pacer

    /// Lets the pacer look again.
    pub fn nudge(&self) {
        self.nudged.set(true);
        if let Some(waker) = self.pacer.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The pacer goes to sleep, and says for what: a connection (or nothing in flight), or just an instant.
    pub fn pacer_waits(&self, for_connections: bool) {
        self.waits.set(for_connections);
    }

    /// [`Core::nudge`], where it can make a difference: most answers come while the pacer just waits for an instant.
    fn nudge_if_it_waits(&self) {
        if self.waits.get() {
            self.nudge();
        }
    }

    /// Ready once after each [`Core::nudge`].
    pub fn poll_nudged(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.nudged.replace(false) {
            return Poll::Ready(());
        }
        let mut pacer = self.pacer.borrow_mut();
        if !pacer.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *pacer = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Slot {
    /// Without an attempt nobody waits for an answer, and nobody gives up on one.
    fn end(&mut self) -> Option<Assigned> {
        let attempt = self.work.pop_front()?;
        self.unwritten = self.unwritten.min(self.work.len());
        self.abandon &= !self.work.is_empty();
        Some(attempt)
    }

    fn sleep(&mut self, cx: &mut Context<'_>) {
        self.awake = false;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    fn wake(&mut self) {
        if !self.awake
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}
