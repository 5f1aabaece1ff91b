//! What the tasks of one thread share: the schedule, the slots of its connections, its memory. Nothing of it is
//! shared with another thread while it runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::dispatch::{Dispatcher, Work};
use super::log::Log;
use super::plan::{LoadPlan, OnTimeout};
use super::requests::{Payload, Requests};
use super::transport::Transport;
use crate::record::{Clock, Outcome, RequestRecord};
use crate::script::ScriptError;

/// One connection, as the others see it.
#[derive(Default)]
struct Slot {
    waker: Option<Waker>,
    work: Option<Assigned>,
    abandon: bool,
}

/// An attempt that a connection has.
struct Assigned {
    record: RequestRecord,
    payload: Rc<Payload>,
    /// Since when the timeout runs.
    since: u64,
}

/// One thread's shared state.
pub struct Core {
    pub plan: LoadPlan,
    pub transport: Transport,
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

    /// Gives a connection an attempt at `now`. Where the script fails, the run is over.
    pub fn assign(&self, id: usize, work: Work, now: u64) {
        let payload = match work.payload {
            Some(payload) => payload,
            None => match self.requests.borrow_mut().next() {
                Ok(payload) => payload,
                Err(error) => return self.fail_unsent(error, work.record),
            },
        };
        let mut record = work.record;
        record.connection = id as u32;
        record.set_warmup(record.intended < self.plan.warmup.0);
        self.log.borrow_mut().begin();
        let slot = &mut self.slots.borrow_mut()[id];
        slot.work = Some(Assigned { record, payload, since: now });
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }

    /// The bytes of the attempt that a connection has, if it has one.
    pub fn payload(&self, id: usize) -> Option<Rc<Payload>> {
        self.slots.borrow()[id].work.as_ref().map(|work| Rc::clone(&work.payload))
    }

    /// Changes the record of the attempt that a connection has.
    #[inline]
    pub fn note(&self, id: usize, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(work) = &mut self.slots.borrow_mut()[id].work {
            change(&mut work.record);
        }
    }

    /// Ready once the connection has an attempt.
    pub fn poll_assigned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        if slot.work.is_some() { Poll::Ready(()) } else { slot.wait(cx) }
    }

    /// Ready once the client gives up on the attempt.
    pub fn poll_abandoned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        if slot.abandon { Poll::Ready(()) } else { slot.wait(cx) }
    }

    /// The connection is free at `now`; it may get an attempt at once.
    pub fn offer(&self, id: usize, now: u64) {
        let work = self.dispatcher.borrow_mut().offer(id, now);
        match work {
            Some(work) => self.assign(id, work, now),
            None => self.nudge_if_it_waits(),
        }
    }

    /// The attempt that a connection had is over at `now`. Records it, and plans a retry where it failed.
    pub fn conclude(&self, id: usize, outcome: Outcome, now: u64) {
        let Some(work) = self.slots.borrow_mut()[id].end() else { return };
        let Assigned { mut record, payload, .. } = work;
        record.end = now;
        record.set_outcome(outcome);
        record.set_timed_out(record.timed_out() || outcome == Outcome::Abandoned);
        let retries = self.plan.retries;
        let failed = outcome.is_failure() || record.status >= 500;
        let again = failed && record.attempt < retries.count && self.failure.borrow().is_none();
        record.set_last(!again);
        let mut dispatcher = self.dispatcher.borrow_mut();
        let mut log = self.log.borrow_mut();
        log.end(&record, dispatcher.until());
        if again {
            let wait = retries.backoff.times(1 << record.attempt.min(20));
            dispatcher.retry(&record, payload, now.saturating_add(wait.0));
            self.nudge();
        } else {
            self.requests.borrow_mut().recycle(payload);
            if log.in_flight == 0 {
                // That may have been the last, and nobody knows when its connection is free again.
                self.nudge_if_it_waits();
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
        for slot in self.slots.borrow_mut().iter_mut() {
            let Some(work) = &mut slot.work else { continue };
            if slot.abandon || work.record.timed_out() {
                continue;
            }
            let expires = work.since.saturating_add(timeout);
            if expires > now {
                next = next.min(expires);
            } else if abandon {
                slot.abandon = true;
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
            } else {
                work.record.set_timed_out(true);
            }
        }
        next
    }

    // ---- the end

    /// The script failed: the run is over.
    pub fn fail(&self, error: ScriptError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.nudge();
    }

    fn fail_unsent(&self, error: ScriptError, mut record: RequestRecord) {
        self.fail(error);
        record.ready = crate::record::NEVER;
        self.leave(record, Outcome::Unsent, self.now());
    }

    pub fn failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub fn take_failure(&self) -> Option<ScriptError> {
        self.failure.borrow_mut().take()
    }

    /// Accounts for everything that is still open at `now`: in flight, waiting to be retried, never sent.
    pub fn settle(&self, now: u64) {
        let open: Vec<RequestRecord> =
            self.slots.borrow_mut().iter_mut().filter_map(|slot| slot.work.take()).map(|work| work.record).collect();
        for record in open {
            let sent = record.sent != crate::record::NEVER || record.attempt > 0;
            self.leave(record, if sent { Outcome::Unanswered } else { Outcome::Unsent }, now);
        }
        let retries = self.dispatcher.borrow_mut().abandoned_retries();
        for record in retries {
            self.leave(record, Outcome::Unanswered, now);
        }
        loop {
            let Some(record) = self.dispatcher.borrow_mut().next_unsent() else { break };
            self.leave(record, Outcome::Unsent, now);
        }
    }

    fn leave(&self, mut record: RequestRecord, outcome: Outcome, now: u64) {
        record.end = now.max(record.intended);
        record.set_outcome(outcome);
        record.set_last(true);
        record.set_warmup(record.intended < self.plan.warmup.0);
        self.log.borrow_mut().leave(&record);
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
        self.abandon = false;
        self.work.take()
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
