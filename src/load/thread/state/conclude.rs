//! How attempts end.

use super::WorkerState;
use crate::load::plan::OnTimeout;
use crate::load::thread::result::WorkerResult;
use crate::load::thread::slot::{Attempt, Slot};
use crate::load::thread::thread_times::ThreadTimes;
use crate::load::thread::timestamp_mapper::ReadTime;
use crate::load::transport::failure::{Again, Failure};
use crate::record::{Outcome, RequestRecord};
use crate::script::ScriptError;
use crate::units::{Instant, Time};

impl WorkerState {
    /// Ends the first attempt of a connection with its answer, whose end was read at `time`.
    pub fn conclude_answered(&self, id: usize, time: ReadTime) {
        if let Some(attempt) = self.end_first(id) {
            let record = attempt.answered_record(time, self.plan.timeout);
            self.conclude(id, attempt, record, Outcome::Answered, time.seen);
        }
    }

    /// Ends the first attempt of a connection, which failed at `now`, and counts why; or sends it again on any connection.
    pub fn conclude_failed(&self, id: usize, failure: &Failure, again: Again, now: Instant) {
        let Some(attempt) = self.end_first(id) else { return };
        let Some(wait) = self.wait_to_go_again(&attempt, again) else {
            return self.fail_attempt(id, attempt, failure, now);
        };
        let mut dispatcher = self.dispatcher.borrow_mut();
        dispatcher.end_attempt(id, attempt.record.send_lag().unwrap_or_default());
        self.metrics.borrow_mut().withdraw_attempt();
        dispatcher.resend(&attempt.record, attempt.part, attempt.is_sample, (now, wait));
        self.wake_flag.wake();
    }

    /// Ends all attempts of a connection, which failed at `now`, or sends them again on any connection.
    pub fn conclude_all(&self, id: usize, failure: &Failure, again: Again, now: Instant) {
        while self.has_attempts(id) {
            self.conclude_failed(id, failure, again, now);
        }
    }

    /// Ends those attempts of a connection that do not go again. The others stay, and go on the connection that is opened
    /// in its place.
    pub fn conclude_but_keep(&self, id: usize, failure: &Failure, again: Again, now: Instant) {
        let attempts: Vec<Attempt> = self.slots.borrow_mut()[id].take_all().collect();
        for mut attempt in attempts {
            if self.wait_to_go_again(&attempt, again).is_none() {
                self.fail_attempt(id, attempt, failure, now);
                continue;
            }
            attempt.record = attempt.record.sent_again();
            attempt.record.connection = id as u32;
            // It may have been sent in one string with others.
            attempt.bytes = attempt.part.range();
            self.slots.borrow_mut()[id].add(attempt);
        }
    }

    /// How long a failed attempt waits before it goes again, if it does, which is counted.
    fn wait_to_go_again(&self, attempt: &Attempt, again: Again) -> Option<Time> {
        let is_written = attempt.record.sent != Instant::NEVER;
        let wait = again.wait(attempt.record.resends, is_written, || attempt.part.is_idempotent());
        let wait = wait.filter(|_| self.failure.borrow().is_none())?;
        self.sent_again.set(self.sent_again.get() + u64::from(is_written));
        Some(wait)
    }

    fn end_first(&self, id: usize) -> Option<Attempt> {
        self.slots.borrow_mut()[id].end_first()
    }

    /// Ends an attempt that failed, and counts why.
    fn fail_attempt(&self, id: usize, attempt: Attempt, failure: &Failure, now: Instant) {
        if let Some((cause, error)) = failure.cause() {
            self.causes.borrow_mut().count(cause, error);
        }
        let is_written = attempt.record.sent != Instant::NEVER;
        let record = attempt.record_at(now, self.plan.timeout);
        self.conclude(id, attempt, record, failure.outcome(is_written), now);
    }

    /// Ends an attempt at `now`: adds its outcome to its `record`, and schedules a retry if it failed. The response may have
    /// ended before, but the client acts when it has read it.
    fn conclude(&self, id: usize, attempt: Attempt, mut record: RequestRecord, outcome: Outcome, now: Instant) {
        let Attempt { part, is_sample, .. } = attempt;
        record.set_outcome(outcome);
        record.set_warmup(self.plan.is_in_warmup(&record));
        let retries = self.plan.retries;
        let failed = outcome.is_failure() || record.status >= 500;
        let is_retried = failed && record.attempt < retries.count && self.failure.borrow().is_none();
        record.set_last(!is_retried);
        let mut dispatcher = self.dispatcher.borrow_mut();
        let mut metrics = self.metrics.borrow_mut();
        dispatcher.end_attempt(id, record.send_lag().unwrap_or_default());
        metrics.end_attempt(&record, dispatcher.arrivals_end(), is_sample);
        if is_retried {
            let backoff = retries.backoff.times(1 << record.attempt.min(20));
            dispatcher.retry(&record, part, is_sample, now.plus(backoff));
            self.wake_flag.wake();
        } else {
            self.requests.borrow_mut().recycle(part.payload);
            if metrics.in_flight == 0 {
                // This may be the end of the drain, and the connection may be offered late or never.
                self.wake_flag.wake_for_connection();
            }
        }
    }

    /// Abandons the attempts that have reached the timeout by `now`, if the plan wants it. Returns the instant at which the
    /// next one reaches it.
    pub fn abandon_expired(&self, now: Instant) -> Option<Instant> {
        if self.plan.on_timeout == OnTimeout::Wait {
            return None;
        }
        self.slots.borrow_mut().iter_mut().filter_map(|slot| slot.abandon_expired(now, self.plan.timeout)).min()
    }

    /// Records all requests that are not finished at the end of the run: in flight, deferred, or never sent.
    pub fn record_unfinished(&self, now: Instant) {
        let in_flight: Vec<Attempt> = self.slots.borrow_mut().iter_mut().flat_map(Slot::take_all).collect();
        for attempt in in_flight {
            self.record_unfinished_attempt(attempt.record_at(now, self.plan.timeout), attempt.is_sample, now);
        }
        self.script_unsent.set(self.dispatcher.borrow().delayed_by_script());
        let deferred = self.dispatcher.borrow_mut().take_deferred();
        for record in deferred {
            self.record_unfinished_attempt(record, true, now);
        }
        self.record_unsent(now);
    }

    /// Records the requests that were never sent. Without consumers of their records they are only counted, all at once
    /// whose waits the histogram does not distinguish.
    fn record_unsent(&self, now: Instant) {
        loop {
            let Some(first) = self.dispatcher.borrow().first_unsent() else { return };
            let record = self.unfinished(first, now);
            let (mut dispatcher, mut metrics) = (self.dispatcher.borrow_mut(), self.metrics.borrow_mut());
            let is_hurried = metrics.live().is_hurried();
            if metrics.needs_unsent() && !is_hurried {
                dispatcher.next_unsent();
                metrics.add_unfinished(&record, true);
            } else if is_hurried && !dispatcher.is_countable() {
                self.has_uncounted.set(true);
                return;
            } else {
                let mut until = metrics.latencies.equal_until(&record);
                if record.due < metrics.warmup_end() {
                    until = until.min(metrics.warmup_end());
                }
                let count = dispatcher.skip_unsent(until);
                metrics.add_unsent(&record, count);
            }
        }
    }

    pub(super) fn record_unfinished_attempt(&self, record: RequestRecord, is_sample: bool, now: Instant) {
        let record = self.unfinished(record, now);
        self.metrics.borrow_mut().add_unfinished(&record, is_sample);
    }

    /// The record of a request that is not finished at `now`, the end of the run.
    fn unfinished(&self, mut record: RequestRecord, now: Instant) -> RequestRecord {
        // A deferred retry belongs to a request that was sent.
        let is_sent = record.sent != Instant::NEVER || record.attempt > 0;
        record.end = now.max(record.due);
        record.set_outcome(if is_sent { Outcome::Unanswered } else { Outcome::Unsent });
        if record.sent == Instant::NEVER {
            record.connection = u32::MAX;
        }
        record.set_last(true);
        record.set_warmup(self.plan.is_in_warmup(&record));
        record
    }

    /// Accounts for a worker whose script does not return, at `now`. Its arrivals ended at `arrivals_end`. The load calls
    /// this, and not the thread of the worker. The script and the requests that it makes are not touched.
    pub fn conclude_stuck(&self, arrivals_end: Instant, now: Instant) -> WorkerResult {
        self.dispatcher.borrow_mut().end_arrivals(arrivals_end);
        let arrivals_end = self.dispatcher.borrow().arrivals_end();
        if let Some((id, time)) = self.answering.take()
            && let Some(attempt) = self.slots.borrow_mut()[id].end_first()
        {
            // Its response was complete when the script got it.
            let mut record = attempt.answered_record(time, self.plan.timeout);
            record.set_outcome(Outcome::Answered);
            record.set_last(true);
            record.set_warmup(self.plan.is_in_warmup(&record));
            self.metrics.borrow_mut().end_attempt(&record, arrivals_end, attempt.is_sample);
        }
        if let Some(mut record) = self.in_hand.take() {
            record.ready = Instant::NEVER;
            self.record_unfinished_attempt(record, true, now);
        }
        self.record_unfinished(now);
        self.metrics.borrow_mut().rates.advance(arrivals_end);
        self.script_unsent.set(self.metrics.borrow().account.unsent);
        let script = self.plan.script.as_ref().map(|script| script.name.clone()).unwrap_or_default();
        self.failure.borrow_mut().get_or_insert(ScriptError::Stuck { script, thread: self.thread });
        WorkerResult::collect(self, arrivals_end, now, ThreadTimes::default())
    }
}
