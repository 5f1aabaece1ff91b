//! What the tasks of one thread share: the schedule, the slots of its connections, its memory. Nothing of it is
//! shared with another thread while it runs.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::metrics::ThreadMetrics;
use super::requests::{Payload, PayloadPart, Requests};
use super::slot::{Attempt, Outgoing, Slot};
use crate::load::pacing::dispatcher::{Dispatcher, Work};
use crate::load::pacing::wake_flag::WakeFlag;
use crate::load::plan::{LoadPlan, OnTimeout, WhenBusy};
use crate::load::transport::{Stream, Transport};
use crate::record::{Clock, Outcome, RequestRecord};
use crate::script::ScriptError;
use crate::units::Instant;

/// One thread's shared state.
pub struct WorkerState {
    pub plan: LoadPlan,
    transport: Transport,
    pub dispatcher: RefCell<Dispatcher>,
    pub requests: RefCell<Requests>,
    pub log: RefCell<ThreadMetrics>,
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
    pub pacer: WakeFlag,
}

const SCRATCH: usize = 64 * 1024;

impl WorkerState {
    pub fn new(
        plan: LoadPlan,
        thread: usize,
        transport: Transport,
        clock: Clock,
        requests: Requests,
        log: ThreadMetrics,
    ) -> WorkerState {
        WorkerState {
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
            pacer: WakeFlag::default(),
        }
    }

    /// Now, on the clock of the run.
    #[inline]
    pub fn now(&self) -> Instant {
        self.clock.get().now()
    }

    pub fn clock(&self) -> Clock {
        self.clock.get()
    }

    pub fn set_clock(&self, clock: Clock) {
        self.clock.set(clock);
    }

    /// A new connection to where the script, if there is one, wants it; no later than a request may take.
    pub async fn connect(&self) -> io::Result<Stream> {
        let address = self.requests.borrow().vm().address();
        tokio::time::timeout(self.plan.timeout.std(), self.transport.connect(address)).await?
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
        self.dispatcher.borrow_mut().closed(self.now());
        self.pacer.nudge_if_it_waits();
    }

    /// Gives a connection an attempt at `now`, or as many as the script wants in one string of bytes. Where the script
    /// fails, the run is over.
    pub fn assign(&self, id: usize, work: Work, now: Instant) {
        let Work { record, piece, is_sample } = work;
        if let Some(piece) = piece {
            let bytes = piece.range();
            return self.take_on(id, [Attempt { record, piece, bytes, since: now, is_sample }]);
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
            self.stop(now);
        }
    }

    /// All requests of a payload go out together on one connection.
    fn join(&self, id: usize, record: RequestRecord, payload: &Rc<Payload>, now: Instant) {
        let requests = payload.parts.len();
        let attempts = PayloadPart::all(payload).map(|piece| {
            let joined = piece.part > 0;
            Attempt {
                record: if joined { self.dispatcher.borrow_mut().joined(&record, Some(id), now) } else { record },
                bytes: if joined { 0..0 } else { 0..payload.bytes.len() },
                since: now,
                is_sample: !self.plan.batch_latency || piece.part + 1 == requests,
                piece,
            }
        });
        self.take_on(id, attempts);
    }

    /// Each request of a payload has a stream of its own: those behind the first go wherever there is a place.
    fn spread(&self, id: usize, record: RequestRecord, payload: &Rc<Payload>, now: Instant) {
        let mut pieces = PayloadPart::all(payload);
        let first =
            pieces.next().map(|piece| Attempt { record, bytes: piece.range(), piece, since: now, is_sample: true });
        self.take_on(id, first);
        for piece in pieces {
            let mut dispatcher = self.dispatcher.borrow_mut();
            let work = Work { record: dispatcher.joined(&record, None, now), piece: Some(piece), is_sample: true };
            dispatcher.put_off(work, record.ready);
            drop(dispatcher);
            self.pacer.nudge();
        }
    }

    fn take_on(&self, id: usize, attempts: impl IntoIterator<Item = Attempt>) {
        let slot = &mut self.slots.borrow_mut()[id];
        let mut log = self.log.borrow_mut();
        for mut attempt in attempts {
            // With HTTP/2 it is known only once one carries it.
            attempt.record.connection = if self.plan.http2 { u32::MAX } else { id as u32 };
            attempt.record.set_warmup(attempt.record.due < Instant::START.plus(self.plan.warmup));
            log.begin(&attempt.record);
            slot.take_on(attempt);
        }
        slot.wake();
    }

    /// The script's `delay` says by how much the request is put off.
    pub fn put_off(&self, work: Work) {
        let delay = self.requests.borrow().vm().delay();
        match delay {
            Ok(delay) => {
                let due = work.record.ready.plus(delay);
                self.dispatcher.borrow_mut().put_off(work, due);
                self.heed_stop(self.now());
            }
            Err(error) => self.fail_unsent(error, work.record),
        }
    }

    /// The connection's task runs, and looks at everything: no need to wake it.
    pub fn wakes(&self, id: usize) {
        self.slots.borrow_mut()[id].wakes();
    }

    /// The connection's task sleeps until it has something new to do.
    pub fn sleeps(&self, id: usize, cx: &mut Context<'_>) {
        self.slots.borrow_mut()[id].sleep(cx);
    }

    /// The client has given up on what the connection carries.
    pub fn is_abandoned(&self, id: usize) -> bool {
        self.slots.borrow()[id].is_abandoned()
    }

    /// Ready once the client gives up on what the connection carries.
    pub fn poll_abandoned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        slot.poll(slot.is_abandoned(), cx)
    }

    /// The connection has attempts that are not concluded.
    pub fn has_work(&self, id: usize) -> bool {
        self.slots.borrow()[id].has_work()
    }

    /// What the connection has to write next; it counts as sent from now on.
    pub fn next_outgoing(&self, id: usize) -> Option<Outgoing> {
        let slot = &mut self.slots.borrow_mut()[id];
        // The clock is read only where there is something.
        if slot.has_unwritten() { slot.next_outgoing(self.now()) } else { None }
    }

    /// An answer may come: the connection has begun to write an attempt that is not concluded.
    pub fn awaits_answer(&self, id: usize) -> bool {
        self.slots.borrow()[id].awaits_answer()
    }

    /// The script may have stopped its thread in what it was just told.
    pub fn heed_stop(&self, now: Instant) {
        let stopped = self.requests.borrow().vm().stopped();
        if stopped {
            self.stop(now);
        }
    }

    /// The request of the first attempt that a connection has.
    pub fn piece(&self, id: usize) -> Option<PayloadPart> {
        self.slots.borrow()[id].first().map(|attempt| attempt.piece.clone())
    }

    /// Ready once the connection has an attempt.
    pub fn poll_assigned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        slot.poll(slot.has_work(), cx)
    }

    /// Whether the first attempt that the connection has, the one that the next answer is for, is a HEAD.
    pub fn is_head(&self, id: usize) -> bool {
        self.slots.borrow()[id].first().is_some_and(|attempt| attempt.piece.is_head())
    }

    /// Changes the record of the first attempt that a connection has.
    #[inline]
    pub fn note(&self, id: usize, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(attempt) = self.slots.borrow_mut()[id].first_mut() {
            change(&mut attempt.record);
        }
    }

    /// The connection was made, and may take work from `now` on; it may get some at once.
    pub fn connected(&self, id: usize, now: Instant) {
        let work = self.dispatcher.borrow_mut().connected(id, now);
        self.given(id, work, now);
    }

    /// The connection had work, and may take more from `now` on; it may get some at once.
    pub fn offer(&self, id: usize, now: Instant) {
        let work = self.dispatcher.borrow_mut().offer(id, now);
        self.given(id, work, now);
    }

    fn given(&self, id: usize, work: Option<Work>, now: Instant) {
        match work {
            Some(work) => {
                self.assign(id, work, now);
                if self.plan.when_busy == WhenBusy::Pipeline {
                    // There is room for more behind it.
                    self.pacer.nudge_if_it_waits();
                }
            }
            None => self.pacer.nudge_if_it_waits(),
        }
    }

    /// The first attempt that a connection had is over at `now`. Records it, and plans a retry where it failed.
    pub fn conclude(&self, id: usize, outcome: Outcome, now: Instant) {
        let Some(attempt) = self.slots.borrow_mut()[id].end() else { return };
        let mut record = attempt.ended(now, self.plan.timeout);
        let Attempt { piece, is_sample, .. } = attempt;
        record.set_outcome(outcome);
        let retries = self.plan.retries;
        let failed = outcome.is_failure() || record.status >= 500;
        let again = failed && record.attempt < retries.count && self.failure.borrow().is_none();
        record.set_last(!again);
        let mut dispatcher = self.dispatcher.borrow_mut();
        let mut log = self.log.borrow_mut();
        dispatcher.done(id);
        log.end(&record, dispatcher.until(), is_sample);
        if again {
            let wait = retries.backoff.times(1 << record.attempt.min(20));
            dispatcher.retry(&record, piece, is_sample, now.plus(wait));
            self.pacer.nudge();
        } else {
            self.requests.borrow_mut().recycle(piece.payload);
            if log.in_flight == 0 {
                // That may have been the last, and nobody knows when its connection is free again.
                self.pacer.nudge_if_it_waits();
            }
        }
    }

    /// All attempts that a connection had end with it. What was never written could not be.
    pub fn conclude_all(&self, id: usize, outcome: Outcome, now: Instant) {
        loop {
            let sent = self.slots.borrow()[id].first().map(|attempt| attempt.record.sent != Instant::NEVER);
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

    /// Abandons the attempts that have outlived the timeout by `now`, if the client gives up at all; says when the next one
    /// will have.
    pub fn expire(&self, now: Instant) -> Option<Instant> {
        if self.plan.on_timeout == OnTimeout::Wait {
            return None;
        }
        self.slots.borrow_mut().iter_mut().filter_map(|slot| slot.expire(now, self.plan.timeout)).min()
    }

    /// The script has stopped its thread.
    fn stop(&self, now: Instant) {
        self.dispatcher.borrow_mut().stop(now);
        self.pacer.nudge();
    }

    /// No further arrivals from `now` on.
    pub fn end_arrivals(&self, now: Instant) {
        self.dispatcher.borrow_mut().end_arrivals(now);
        self.pacer.nudge();
    }

    // ---- the end

    /// The script failed: the run is over.
    pub fn fail(&self, error: ScriptError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.pacer.nudge();
    }

    fn fail_unsent(&self, error: ScriptError, mut record: RequestRecord) {
        self.fail(error);
        record.ready = Instant::NEVER;
        self.leave(record, true, self.now());
    }

    pub fn failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub fn take_failure(&self) -> Option<ScriptError> {
        self.failure.borrow_mut().take()
    }

    /// Accounts for everything that is still open at `now`: in flight, waiting to be retried, never sent.
    pub fn settle(&self, now: Instant) {
        let open: Vec<Attempt> = self.slots.borrow_mut().iter_mut().flat_map(Slot::leave).collect();
        for attempt in open {
            self.leave(attempt.ended(now, self.plan.timeout), attempt.is_sample, now);
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

    fn leave(&self, mut record: RequestRecord, is_sample: bool, now: Instant) {
        // A retry that still waits is of a request that was sent.
        let sent = record.sent != Instant::NEVER || record.attempt > 0;
        record.end = now.max(record.due);
        record.set_outcome(if sent { Outcome::Unanswered } else { Outcome::Unsent });
        if record.sent == Instant::NEVER {
            record.connection = u32::MAX;
        }
        record.set_last(true);
        record.set_warmup(record.due < Instant::START.plus(self.plan.warmup));
        self.log.borrow_mut().leave(&record, is_sample);
    }

    /// The thread's number, from 0.
    pub fn thread(&self) -> u16 {
        self.thread
    }
}
