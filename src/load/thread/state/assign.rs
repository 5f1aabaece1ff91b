//! How a connection gets its attempts.

use std::rc::Rc;

use super::WorkerState;
use crate::load::pacing::dispatcher::Work;
use crate::load::plan::WhenBusy;
use crate::load::thread::requests::{Payload, PayloadPart};
use crate::load::thread::slot::{Attempt, Slot};
use crate::load::thread::timestamp_mapper::ReadTime;
use crate::record::RequestRecord;
use crate::script::ScriptError;
use crate::units::{Instant, Time};

impl WorkerState {
    /// Adds a slot for a connection. Returns its number.
    pub fn add_slot(&self) -> usize {
        let mut slots = self.slots.borrow_mut();
        self.vacant.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() - 1
        })
    }

    /// Removes the slot of a connection that is closed and not opened again.
    pub fn retire_slot(&self, id: usize) {
        self.slots.borrow_mut()[id] = Slot::default();
        self.vacant.borrow_mut().push(id);
        self.dispatcher.borrow_mut().retire_connection(id, self.now());
        self.wake_flag.wake_for_connection();
    }

    /// The connection is established and free from `now` on. It may get work at once.
    pub fn add_connection(&self, id: usize, now: Instant) {
        let work = self.dispatcher.borrow_mut().add_connection(id, now);
        self.assign_or_wake(id, work, now);
    }

    /// The connection may take more work: its last response was read at `time`. It may get some at once.
    pub fn offer_connection(&self, id: usize, time: ReadTime) {
        // With slack, a response is read late on purpose. This is send lag of a request that waited for it.
        let free = if self.plan.slack > Time::ZERO { time.arrived } else { time.seen };
        let work = self.dispatcher.borrow_mut().offer_since(id, free, time.seen);
        self.assign_or_wake(id, work, time.seen);
    }

    fn assign_or_wake(&self, id: usize, work: Option<Work>, now: Instant) {
        match work {
            Some(work) => {
                self.assign(id, work, now);
                if self.plan.when_busy == WhenBusy::Pipeline {
                    // The connection takes further requests.
                    self.wake_flag.wake_for_connection();
                }
            }
            None => self.wake_flag.wake_for_connection(),
        }
    }

    /// Assigns an attempt to a connection at `now`, or several if the script returns several requests in one string. If
    /// the script fails, the run ends.
    pub fn assign(&self, id: usize, work: Work, now: Instant) {
        let Work { record, part, is_sample } = work;
        if let Some(part) = part {
            let bytes = part.range();
            return self.add_attempts(id, [Attempt { record, part, bytes, started: now, is_sample }]);
        }
        let mut requests = self.requests.borrow_mut();
        if requests.next_calls_script() {
            self.in_hand.set(Some(record));
        }
        let next = requests.next();
        drop(requests);
        self.in_hand.set(None);
        let payload = match next {
            Ok(payload) => payload,
            Err(error) => return self.fail_unsent(error, record),
        };
        if self.plan.http2 {
            self.assign_one_by_one(id, record, &payload, now);
        } else {
            self.assign_together(id, record, &payload, now);
        }
        if payload.is_last {
            self.apply_script_stop(now);
        }
    }

    /// HTTP/1.1: all requests of a payload are sent together on one connection.
    fn assign_together(&self, id: usize, record: RequestRecord, payload: &Rc<Payload>, now: Instant) {
        let requests = payload.parts.len();
        let attempts = PayloadPart::all(payload).map(|part| {
            let is_joined = part.index > 0;
            Attempt {
                record: if is_joined { self.dispatcher.borrow_mut().join_next(&record, Some(id), now) } else { record },
                bytes: if is_joined { 0..0 } else { 0..payload.bytes.len() },
                started: now,
                is_sample: !self.plan.batch_latency || part.index + 1 == requests,
                part,
            }
        });
        self.add_attempts(id, attempts);
    }

    /// HTTP/2: each request of a payload has its own stream. All but the first are sent as soon as a stream is free.
    fn assign_one_by_one(&self, id: usize, record: RequestRecord, payload: &Rc<Payload>, now: Instant) {
        let mut parts = PayloadPart::all(payload);
        let first =
            parts.next().map(|part| Attempt { record, bytes: part.range(), part, started: now, is_sample: true });
        self.add_attempts(id, first);
        for part in parts {
            let mut dispatcher = self.dispatcher.borrow_mut();
            let work = Work { record: dispatcher.join_next(&record, None, now), part: Some(part), is_sample: true };
            dispatcher.defer(work, record.ready);
            drop(dispatcher);
            self.wake_flag.wake();
        }
    }

    fn add_attempts(&self, id: usize, attempts: impl IntoIterator<Item = Attempt>) {
        let slot = &mut self.slots.borrow_mut()[id];
        let mut metrics = self.metrics.borrow_mut();
        for mut attempt in attempts {
            // With HTTP/2 the connection is chosen later, when the request is sent.
            attempt.record.connection = if self.plan.http2 { u32::MAX } else { id as u32 };
            metrics.begin_attempt(&attempt.record);
            slot.add(attempt);
        }
        slot.wake();
    }

    /// Defers a due request by the delay that the script returns.
    pub fn delay_request(&self, work: Work) {
        self.in_hand.set(Some(work.record));
        let delay = {
            let requests = self.requests.borrow();
            self.script_run.in_script(|| requests.vm().delay())
        };
        self.in_hand.set(None);
        match delay {
            Ok(delay) => {
                let at = work.record.ready.plus(delay);
                self.dispatcher.borrow_mut().defer(work, at);
                self.check_script_stop(self.now());
            }
            Err(error) => self.fail_unsent(error, work.record),
        }
    }

    /// Ends the run because the script failed to build this request.
    fn fail_unsent(&self, error: ScriptError, mut record: RequestRecord) {
        self.fail(error);
        record.ready = Instant::NEVER;
        self.record_unfinished_attempt(record, true, self.now());
    }
}
