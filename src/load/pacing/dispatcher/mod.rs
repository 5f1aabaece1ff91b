//! The dispatcher: decides which request is sent next, when, and on which connection. Pure: instants are arguments.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pool::{Placement, Pool};
use crate::arrivals::{Arrival, Arrivals};
use crate::load::plan::{LoadPlan, WhenBusy};
use crate::load::thread::requests::PayloadPart;
use crate::record::RequestRecord;
use crate::units::{Instant, Time};

/// An attempt to be sent.
#[derive(Clone, Debug)]
pub struct Work {
    pub record: RequestRecord,
    /// The request, if it is built already: that of a retry, for example.
    pub part: Option<PayloadPart>,
    /// Its latency counts in the histograms.
    pub is_sample: bool,
}

/// What the pacer does next.
#[derive(Debug)]
pub enum Action {
    /// Send this request.
    Send(Work, Placement),
    /// This request is due, and the script says how long to delay it: see [`Dispatcher::defer`].
    Delay(Work),
    /// Nothing has to be sent before this instant: the next due time and the slack.
    Wait(Instant),
    /// A request is due and no connection is free: wait for one, until this instant at most.
    Blocked(Instant),
    /// Nothing is left to send. Requests in flight have until this instant, and may still be retried.
    Drain(Instant),
    /// The run is over.
    End,
}

/// The schedule of one worker, and its pool of connections.
pub struct Dispatcher {
    arrivals: Arrivals,
    /// The next arrival. It may lie after the end of arrivals.
    head: Arrival,
    arrivals_end: Instant,
    /// Arrivals were ended before the planned end: requests that are late then are not sent.
    ended_early: bool,
    /// From the end of arrivals to the end of the run.
    drain: Time,
    when_busy: WhenBusy,
    /// Requests may be sent late by this.
    slack: Time,
    /// The limit on catching up, as a multiple of the rate.
    catch_up: Option<f64>,
    /// The earliest instant to send the head, as long as the schedule is caught up.
    earliest_send: Instant,
    /// The same, if the generator itself had never been late.
    earliest_ready: Instant,
    /// The script has a `delay` function.
    has_delay: bool,
    /// Retries, and requests that the script delayed.
    deferred: BinaryHeap<Reverse<Deferred>>,
    /// Deferred requests that are not sent because the script stopped its thread.
    stopped: Vec<RequestRecord>,
    pool: Pool,
    limit_reached: bool,
    /// By connection: the send lag that the next attempt takes over. Without it the connection would have been free earlier
    /// by as much.
    lags: Vec<Time>,
    /// Requests that waited: for a busy connection, or because of the limit on catching up.
    waited: u64,
    /// Requests that waited because of the limit on catching up.
    held_back: u64,
    has_started: bool,
    thread: u16,
}

/// What is sent next. At the same instant an arrival goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Arrivals,
    Deferred,
}

/// Work to be sent at `at`. It is ordered by that instant and then by request, so that the order is deterministic.
struct Deferred {
    at: Instant,
    /// The generator could send it since then.
    since: Instant,
    work: Work,
}

impl Dispatcher {
    pub fn new(plan: &LoadPlan, thread: usize) -> Dispatcher {
        let mut arrivals = plan.schedule(thread);
        Dispatcher {
            head: next_arrival(&mut arrivals),
            arrivals,
            arrivals_end: Instant::START.plus(plan.duration),
            ended_early: false,
            drain: plan.drain,
            when_busy: plan.when_busy,
            slack: plan.slack,
            catch_up: plan.catch_up,
            earliest_send: Instant::START,
            earliest_ready: Instant::START,
            has_delay: false,
            deferred: BinaryHeap::new(),
            stopped: Vec::new(),
            pool: Pool::new(plan, thread),
            limit_reached: false,
            lags: Vec::new(),
            waited: 0,
            held_back: 0,
            has_started: false,
            thread: plan.number(thread),
        }
    }

    /// The script has a `delay` function: each request is an [`Action::Delay`] first.
    pub fn enable_delay(&mut self) {
        self.has_delay = true;
    }

    /// The load starts. Connections count as free from now on.
    pub fn start(&mut self) {
        self.has_started = true;
        self.pool.start();
    }

    /// Ends arrivals at `at`, if they do not end earlier.
    pub fn end_arrivals(&mut self, at: Instant) {
        self.ended_early |= at < self.arrivals_end;
        self.arrivals_end = self.arrivals_end.min(at);
    }

    /// The script stops its thread at `at`: requests that it delayed are not sent any more.
    pub fn stop(&mut self, at: Instant) {
        self.end_arrivals(at);
        let (built, stopped): (Vec<_>, Vec<_>) =
            self.deferred.drain().partition(|Reverse(deferred)| deferred.work.part.is_some());
        self.deferred = built.into();
        self.stopped.extend(stopped.into_iter().map(|Reverse(deferred)| deferred.work.record));
    }

    pub fn arrivals_end(&self) -> Instant {
        self.arrivals_end
    }

    /// All connections are established and free.
    pub fn all_free(&self) -> bool {
        self.pool.all_free()
    }

    /// A due request waited because no further connection was allowed.
    pub fn limit_reached(&self) -> bool {
        self.limit_reached
    }

    /// The number of requests that were due and waited: for a busy connection, or because of the limit on catching up.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// The number of requests that were due and waited because of the limit on catching up.
    pub fn held_back(&self) -> u64 {
        self.held_back
    }

    /// What the pacer does at `now`.
    pub fn next_action(&mut self, now: Instant) -> Action {
        if now >= self.run_end() {
            return Action::End;
        }
        // The action changes at the end of arrivals and at the end of the run.
        let end = if now < self.arrivals_end { self.arrivals_end } else { self.run_end() };
        if self.has_delay && self.head_at(now).is_some_and(|at| at <= now) {
            return Action::Delay(self.take_head(now, Instant::START));
        }
        let source = match self.next_source(now) {
            None if now < self.arrivals_end => return Action::Wait(end),
            None => return Action::Drain(end),
            Some((at, _)) if at > now => return Action::Wait(at.plus(self.slack).min(end)),
            Some((_, source)) => source,
        };
        match self.pool.take(now) {
            Some((placement, since)) => {
                let work = self.take_work(source, now, since);
                Action::Send(work, placement)
            }
            None => {
                self.limit_reached |= self.pool.is_at_limit();
                Action::Blocked(end)
            }
        }
    }

    /// A connection is established and free from `now` on. Returns work for it if some is due.
    pub fn add_connection(&mut self, connection: usize, now: Instant) -> Option<Work> {
        self.add_busy_connection();
        self.set_lag(connection, Time::ZERO);
        self.offer_connection(connection, now)
    }

    /// A connection is established that is busy already.
    pub fn add_busy_connection(&mut self) {
        self.pool.add_established();
    }

    /// A busy connection may take more work from `now` on. Returns work for it if some is due.
    pub fn offer_connection(&mut self, connection: usize, now: Instant) -> Option<Work> {
        self.offer_since(connection, now, now)
    }

    /// The same for a connection that could have taken more work since `free`.
    pub fn offer_since(&mut self, connection: usize, free: Instant, now: Instant) -> Option<Work> {
        let free_since = self.free_without_lag(connection, free);
        // Only the pacer calls the script's `delay` for an arrival.
        let next =
            self.next_source(now).filter(|(at, source)| *at <= now && !(self.has_delay && *source == Source::Arrivals));
        if let Some((_, source)) = next.filter(|_| self.has_started) {
            self.pool.add_request(connection);
            return Some(self.take_work(source, now, self.pool.free_since(free_since)));
        }
        self.pool.release(connection, free_since);
        None
    }

    /// An attempt on the connection is over, which was sent with this lag.
    pub fn end_attempt(&mut self, connection: usize, lag: Time) {
        let before = self.lags.get(connection).copied().unwrap_or_default();
        self.set_lag(connection, carried_lag(before, lag, self.slack));
        self.pool.remove_request(connection);
    }

    fn set_lag(&mut self, connection: usize, lag: Time) {
        if connection >= self.lags.len() {
            self.lags.resize(connection + 1, Time::ZERO);
        }
        self.lags[connection] = lag;
    }

    /// The instant at which a connection that is free at `now` would be free if the generator had sent its last attempt
    /// without lag. Lateness is carried from request to request this way: after a stall of the generator, a request that
    /// waits for the requests before it waits because of the generator, not because of the system.
    fn free_without_lag(&self, connection: usize, now: Instant) -> Instant {
        // After the end of arrivals, a connection that becomes free must not look like one that was free before it: the
        // requests that waited for it stay unsent.
        match now < self.arrivals_end {
            true => now.minus(self.lags.get(connection).copied().unwrap_or_default()),
            false => now,
        }
    }

    /// An established connection is closed; `was_free` if it carried no attempt.
    pub fn remove_connection(&mut self, connection: usize, was_free: bool) {
        self.pool.remove(connection, was_free);
    }

    /// `count` established connections are closed at once, some of them free.
    pub fn remove_connections(&mut self, is_closed: impl Fn(usize) -> bool, count: usize) {
        self.pool.remove_all(is_closed, count);
    }

    /// A connection is closed at `now` and not opened again. With `open`, a new one may take its place.
    pub fn retire_connection(&mut self, connection: usize, now: Instant) {
        self.pool.retire(self.free_without_lag(connection, now));
        self.set_lag(connection, Time::ZERO);
    }

    /// Takes the next arrival for a request that is sent at `now` in one string of bytes with `first`. It is due when
    /// `first` is. `connection` is the one that carries both, if one does.
    pub fn join_next(&mut self, first: &RequestRecord, connection: Option<usize>, now: Instant) -> RequestRecord {
        if let Some(connection) = connection {
            self.pool.add_request(connection);
        }
        let mut record = RequestRecord::planned(self.head.request, first.due, self.thread);
        record.ready = first.ready;
        let arrival = std::mem::replace(&mut self.head, next_arrival(&mut self.arrivals));
        if let Some(factor) = self.catch_up_limit(now) {
            // The next request waits for the gap of this one too.
            let gap = self.shortest_gap_after(arrival.due, factor);
            self.earliest_send = self.earliest_send.plus(gap);
            self.earliest_ready = self.earliest_ready.plus(gap);
        }
        record
    }

    /// Sends the work at `at` instead of now. Its due time stays.
    pub fn defer(&mut self, work: Work, at: Instant) {
        self.deferred.push(Reverse(Deferred { at, since: at, work }));
    }

    /// Sends a failed attempt again at `at`.
    pub fn retry(&mut self, failed: &RequestRecord, part: PayloadPart, is_sample: bool, at: Instant) {
        let mut record = RequestRecord::planned(failed.request, failed.due, self.thread);
        record.attempt = failed.attempt + 1;
        self.defer(Work { record, part: Some(part), is_sample }, at);
    }

    /// Sends an attempt again that the server did not process, `wait` after `now`. Without a wait it keeps its place in the
    /// queue: it was due before the requests that wait now.
    pub fn resend(
        &mut self,
        refused: &RequestRecord,
        part: PayloadPart,
        is_sample: bool,
        (now, wait): (Instant, Time),
    ) {
        let since = now.plus(wait);
        let at = if wait == Time::ZERO { refused.due } else { since };
        let work = Work { record: refused.sent_again(), part: Some(part), is_sample };
        self.deferred.push(Reverse(Deferred { at, since, work }));
    }

    /// Takes what is still deferred when the run ends.
    pub fn take_deferred(&mut self) -> Vec<RequestRecord> {
        let deferred = self.deferred.drain().map(|Reverse(deferred)| deferred.work.record);
        deferred.chain(self.stopped.drain(..)).collect()
    }

    /// The number of requests that the script delayed, and that are still to be sent.
    pub fn delayed_by_script(&self) -> u64 {
        let delayed = |Reverse(deferred): &&Reverse<Deferred>| self.has_delay && deferred.work.record.attempt == 0;
        self.deferred.iter().filter(delayed).count() as u64
    }

    /// The next request that was due before the end of arrivals and was never sent.
    pub fn first_unsent(&self) -> Option<RequestRecord> {
        let Arrival { request, due } = self.head;
        (due < self.arrivals_end).then(|| RequestRecord::planned(request, due, self.thread))
    }

    /// Takes the next request that was due before the end of arrivals and was never sent.
    pub fn next_unsent(&mut self) -> Option<RequestRecord> {
        let unsent = self.first_unsent()?;
        self.head = next_arrival(&mut self.arrivals);
        Some(unsent)
    }

    /// Takes requests that were due before `end` and never sent, and returns their number: all of them, or, with random
    /// gaps, at most [`MAX_DRAWN`].
    pub fn skip_unsent(&mut self, end: Instant) -> u64 {
        let end = end.min(self.arrivals_end);
        let mut skipped = 0;
        while self.head.due < end && skipped < MAX_DRAWN {
            skipped += 1 + self.arrivals.skip_before(end).unwrap_or(0);
            self.head = next_arrival(&mut self.arrivals);
        }
        skipped
    }

    /// The number of requests until an instant has a closed form.
    pub fn is_countable(&self) -> bool {
        self.arrivals.has_closed_form()
    }

    /// The end of the run, even if requests are still in flight.
    fn run_end(&self) -> Instant {
        self.arrivals_end.plus(self.drain)
    }

    /// The instant at which the next arrival may be sent, if it may be at all. A request that is due and not sent at the
    /// end of arrivals stays unsent, unless only the generator was late.
    fn head_at(&self, now: Instant) -> Option<Instant> {
        let at = self.head.due.max(self.earliest_send);
        let generator_is_late =
            || at < self.arrivals_end && !self.ended_early && self.pool.was_available_before(self.arrivals_end);
        (self.head.due < self.arrivals_end && (now < self.arrivals_end || generator_is_late())).then_some(at)
    }

    /// The instant at which the next deferred work may be sent.
    fn deferred_at(&self, now: Instant) -> Option<Instant> {
        let at = self.deferred.peek().map(|Reverse(deferred)| deferred.at);
        at.filter(|&at| at < self.run_end() && now < self.run_end())
    }

    /// What is sent next, and when.
    fn next_source(&self, now: Instant) -> Option<(Instant, Source)> {
        let head = self.head_at(now).map(|at| (at, Source::Arrivals));
        let deferred = self.deferred_at(now).map(|at| (at, Source::Deferred));
        head.into_iter().chain(deferred).min()
    }

    /// Takes what [`Dispatcher::next_source`] found, at `now`. A connection was free for it since `free_since`.
    fn take_work(&mut self, source: Source, now: Instant, free_since: Instant) -> Work {
        if source == Source::Deferred
            && let Some(Reverse(Deferred { since, mut work, .. })) = self.deferred.pop()
        {
            let is_first = work.record.attempt == 0 && work.record.resends == 0;
            work.record.ready = since.max(free_since);
            self.waited += u64::from(is_first && free_since > since);
            return work;
        }
        self.take_head(now, free_since)
    }

    fn take_head(&mut self, now: Instant, free_since: Instant) -> Work {
        let head = self.head;
        let mut record = RequestRecord::planned(head.request, head.due, self.thread);
        record.ready = head.due.max(self.earliest_ready).max(free_since);
        self.waited += u64::from(record.ready > head.due);
        self.held_back += u64::from(self.earliest_ready > head.due.max(free_since));
        self.head = next_arrival(&mut self.arrivals);
        self.limit_catch_up(head.due, record.ready, now);
        Work { record, part: None, is_sample: true }
    }

    /// Delays the head, so that a late schedule is caught up no faster than the plan allows, if the plan has a limit.
    /// The request before it was due at `due`, could have been sent at `ready`, and is sent at `now`. If the generator
    /// sends one request late, it sends the next one late too. A delay of up to [`FREE_CATCH_UP`] and the slack is exempt: otherwise
    /// the wake-up latency would limit the pacer to one request per wake-up.
    fn limit_catch_up(&mut self, due: Instant, ready: Instant, now: Instant) {
        if let Some(factor) = self.catch_up_limit(now) {
            let gap = self.shortest_gap_after(due, factor);
            self.earliest_send = self.earliest_send.max(ready).max(now.minus(FREE_CATCH_UP.plus(self.slack))).plus(gap);
            self.earliest_ready = ready.plus(gap);
        }
    }

    /// The limit on catching up, where one applies at `now`.
    fn catch_up_limit(&self, now: Instant) -> Option<f64> {
        self.catch_up.filter(|_| self.when_busy == WhenBusy::Wait && now < self.arrivals_end)
    }

    /// The shortest gap between a request that was due at `due` and the head.
    fn shortest_gap_after(&self, due: Instant, factor: f64) -> Time {
        Time((self.head.due.since(due).0 as f64 / factor) as u64)
    }
}

/// The most random gaps that are drawn at once: about 10 ms.
const MAX_DRAWN: u64 = 1 << 19;

/// A delay of up to this is caught up at once, even with a limit.
const FREE_CATCH_UP: Time = Time::from_millis(1);

/// An attempt that is later than the one before it by no more than this and the slack is as late as the plan, the system
/// and the kernel make it: its thread had to wake up and to do other work first.
const USUAL_LAG: Time = Time::from_millis(1);

/// The send lag that an attempt passes to the next one on its connection. It received `before` and was sent with `lag`,
/// of which the plan allows `slack`.
///
/// Only a stall of the generator is handed on. If the system is overloaded, each request waits for the one before it, and
/// the few microseconds that each is sent late would add up without limit, while the generator is hardly late at all.
pub fn carried_lag(before: Time, lag: Time, slack: Time) -> Time {
    if lag > before.plus(USUAL_LAG).plus(slack) { lag } else { lag.min(before) }
}

/// Arrivals are endless. [`Instant::NEVER`] stands for one after the last representable instant.
fn next_arrival(arrivals: &mut Arrivals) -> Arrival {
    arrivals.next().unwrap_or(Arrival { request: u64::MAX, due: Instant::NEVER })
}

impl PartialEq for Deferred {
    fn eq(&self, other: &Deferred) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Deferred {}

impl PartialOrd for Deferred {
    fn partial_cmp(&self, other: &Deferred) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deferred {
    fn cmp(&self, other: &Deferred) -> std::cmp::Ordering {
        (self.at, self.work.record.request).cmp(&(other.at, other.work.record.request))
    }
}

#[cfg(test)]
mod tests;
