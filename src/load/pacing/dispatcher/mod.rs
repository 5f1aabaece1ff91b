//! Which request goes next, when, and on which connection. Pure: instants come in as arguments.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pool::{Placement, Pool};
use crate::arrivals::{Arrival, Arrivals};
use crate::load::plan::{LoadPlan, WhenBusy};
use crate::load::thread::requests::PayloadPart;
use crate::record::RequestRecord;
use crate::units::{Instant, Time};

/// An attempt that is to be made: its record so far, and the bytes of a retry (a first attempt has none yet).
#[derive(Clone, Debug)]
pub struct Work {
    pub record: RequestRecord,
    pub piece: Option<PayloadPart>,
    /// Its latency counts.
    pub is_sample: bool,
}

/// What the pacer does next.
#[derive(Debug)]
pub enum Action {
    /// Send this, on that connection or on a new one.
    Send(Work, Placement),
    /// This is due, and the script says by how much it is put off: see [`Dispatcher::put_off`].
    PutOff(Work),
    /// Nothing before that instant, whatever connections do.
    Wait(Instant),
    /// Something is due and no connection may carry it: look again when one is free, or at that instant.
    Blocked(Instant),
    /// Nothing is left to send. What is in flight has until that instant, and a failure may still want a retry.
    Drain(Instant),
    /// Nothing more is sent or waited for.
    Over,
}

/// One thread's schedule, and the connections that take from it.
pub struct Dispatcher {
    arrivals: Arrivals,
    /// The next arrival, whether before the end of arrivals or not.
    head: Arrival,
    /// The end of arrivals.
    until: Instant,
    /// Somebody wanted that end sooner than planned: what is late goes no more.
    ended_early: bool,
    /// For so long after it, what is in flight may finish and what waits in `later` may go.
    drain: Time,
    mode: WhenBusy,
    catch_up: f64,
    /// While behind, the head goes no earlier than this.
    allowed: Instant,
    /// The same, had the generator itself never been late.
    ready_from: Instant,
    /// The script puts requests off.
    delays: bool,
    /// What goes at an instant of its own: retries, and requests that the script put off.
    later: BinaryHeap<Reverse<Deferred>>,
    /// First attempts of those that the script's stop has kept from being made.
    stopped: Vec<RequestRecord>,
    pool: Pool,
    bound_reached: bool,
    /// Requests that had to wait for a connection that was busy.
    waited: u64,
    begun: bool,
    thread: u16,
}

/// What goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Head,
    Deferred,
}

/// Ordered by time, then by request, so that what goes first never depends on the heap.
struct Deferred {
    due: Instant,
    work: Work,
}

impl Dispatcher {
    pub fn new(plan: &LoadPlan, thread: usize) -> Dispatcher {
        let mut arrivals = plan.schedule(thread);
        Dispatcher {
            head: following(&mut arrivals),
            arrivals,
            until: Instant::START.plus(plan.duration),
            ended_early: false,
            drain: plan.drain,
            mode: plan.when_busy,
            catch_up: plan.catch_up,
            allowed: Instant::START,
            ready_from: Instant::START,
            delays: false,
            later: BinaryHeap::new(),
            stopped: Vec::new(),
            pool: Pool::new(plan, thread),
            bound_reached: false,
            waited: 0,
            begun: false,
            thread: plan.number(thread),
        }
    }

    /// Every request is put off by what the script says, once it is due: [`Action::PutOff`].
    pub fn delay_each(&mut self) {
        self.delays = true;
    }

    /// The clock is at its zero: what is due may go, on connections that are free from now on.
    pub fn begin(&mut self) {
        self.begun = true;
        self.pool.begin();
    }

    /// Arrivals end at `at`, if they don't end before.
    pub fn end_arrivals(&mut self, at: Instant) {
        self.ended_early |= at < self.until;
        self.until = self.until.min(at);
    }

    /// The script stops its thread at `at`: what it has put off is not made any more.
    pub fn stop(&mut self, at: Instant) {
        self.end_arrivals(at);
        let (made, stopped): (Vec<_>, Vec<_>) =
            self.later.drain().partition(|Reverse(later)| later.work.piece.is_some());
        self.later = made.into();
        self.stopped.extend(stopped.into_iter().map(|Reverse(later)| later.work.record));
    }

    /// The end of arrivals.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Every connection is there and free.
    pub fn all_free(&self) -> bool {
        self.pool.all_free()
    }

    /// A due request had to wait because no further connection was allowed.
    pub fn bound_reached(&self) -> bool {
        self.bound_reached
    }

    /// Requests that were due, and had to wait for a connection that was busy.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// What the pacer does at `now`.
    pub fn turn(&mut self, now: Instant) -> Action {
        if now >= self.drained() {
            return Action::Over;
        }
        // Both ends change what may go.
        let end = if now < self.until { self.until } else { self.drained() };
        if self.delays && self.head_at(now).is_some_and(|at| at <= now) {
            return Action::PutOff(self.take_head(now, Instant::START));
        }
        let next = match self.next(now) {
            None if now < self.until => return Action::Wait(end),
            None => return Action::Drain(end),
            Some((at, _)) if at > now => return Action::Wait(at.min(end)),
            Some((_, next)) => next,
        };
        match self.pool.take(now) {
            Some((room, since)) => {
                let work = self.take(next, now, since);
                self.waited += u64::from(room == Placement::New && since > work.record.due);
                Action::Send(work, room)
            }
            None => {
                self.bound_reached |= self.pool.is_bounded();
                Action::Blocked(end)
            }
        }
    }

    /// A connection was made, and may take work from `now` on: gives it what is ready, or keeps it for later.
    pub fn connected(&mut self, connection: usize, now: Instant) -> Option<Work> {
        self.came_up();
        self.give(connection, now)
    }

    /// A connection was made that has work already, or will be offered later.
    pub fn came_up(&mut self) {
        self.pool.came_up();
    }

    /// A connection that had work may take more from `now` on: gives it what is ready, or keeps it for later.
    pub fn offer(&mut self, connection: usize, now: Instant) -> Option<Work> {
        let work = self.give(connection, now)?;
        let RequestRecord { attempt, due, ready, .. } = work.record;
        self.waited += u64::from(attempt == 0 && due < ready && ready == now);
        Some(work)
    }

    fn give(&mut self, connection: usize, now: Instant) -> Option<Work> {
        // What is put off wants the script: that is the pacer's.
        let next = self.next(now).filter(|(at, next)| *at <= now && !(self.delays && *next == Next::Head));
        if let Some((_, next)) = next.filter(|_| self.begun) {
            self.pool.carries(connection);
            return Some(self.take(next, now, self.pool.free_since(now)));
        }
        self.pool.give(connection, now);
        None
    }

    /// A connection carries one attempt less.
    pub fn done(&mut self, connection: usize) {
        self.pool.done(connection);
    }

    /// A connection that was made is no more; `was_free` if it had nothing to do.
    pub fn went_down(&mut self, connection: usize, was_free: bool) {
        self.pool.went_down(connection, was_free);
    }

    /// Many connections went at once, some of them free.
    pub fn went_down_all(&mut self, gone: impl Fn(usize) -> bool, how_many: usize) {
        self.pool.went_down_all(gone, how_many);
    }

    /// A connection is gone for good at `now` (open mode): another may take its place.
    pub fn closed(&mut self, now: Instant) {
        self.pool.closed(now);
    }

    /// One more request goes with `first`, at `now`, in the same string of bytes: it takes the next place in the
    /// schedule, and is due at its first. `connection` carries it too.
    pub fn joined(&mut self, first: &RequestRecord, connection: Option<usize>, now: Instant) -> RequestRecord {
        if let Some(connection) = connection {
            self.pool.carries(connection);
        }
        let mut record = RequestRecord::planned(self.head.request, first.due, self.thread);
        record.ready = first.ready;
        let taken = std::mem::replace(&mut self.head, following(&mut self.arrivals));
        if self.holds_back(now) {
            // What its first left free is put off by its own gap.
            let gap = self.gap_after(taken.due);
            self.allowed = self.allowed.plus(gap);
            self.ready_from = self.ready_from.plus(gap);
        }
        record
    }

    /// The request goes at `due`, since the script wants it so.
    pub fn put_off(&mut self, work: Work, due: Instant) {
        self.later.push(Reverse(Deferred { due, work }));
    }

    /// The attempt failed and is to be made again at `due`.
    pub fn retry(&mut self, failed: &RequestRecord, piece: PayloadPart, is_sample: bool, due: Instant) {
        let mut record = RequestRecord::planned(failed.request, failed.due, self.thread);
        record.attempt = failed.attempt + 1;
        record.set_warmup(failed.is_warmup());
        self.later.push(Reverse(Deferred { due, work: Work { record, piece: Some(piece), is_sample } }));
    }

    /// What still waits for an instant of its own when the run ends.
    pub fn left_for_later(&mut self) -> Vec<RequestRecord> {
        let later = self.later.drain().map(|Reverse(later)| later.work.record);
        later.chain(self.stopped.drain(..)).collect()
    }

    /// The next request that was due before the end of arrivals and never sent.
    pub fn next_unsent(&mut self) -> Option<RequestRecord> {
        let head = self.head;
        if head.due >= self.until {
            return None;
        }
        self.head = following(&mut self.arrivals);
        Some(RequestRecord::planned(head.request, head.due, self.thread))
    }

    /// When the run ends, whatever is in flight then.
    fn drained(&self) -> Instant {
        self.until.plus(self.drain)
    }

    /// When the next arrival may go. What is due and unsent at the end of arrivals stays unsent, unless it was only the
    /// generator that was late.
    fn head_at(&self, now: Instant) -> Option<Instant> {
        let at = self.head.due.max(self.allowed);
        let late = || at < self.until && !self.ended_early && self.pool.had_room(self.until);
        (self.head.due < self.until && (now < self.until || late())).then_some(at)
    }

    /// When the next retry, or request put off, may go.
    fn later_at(&self, now: Instant) -> Option<Instant> {
        let later = self.later.peek().map(|Reverse(later)| later.due);
        later.filter(|&due| due < self.drained() && now < self.drained())
    }

    /// What goes next, and when. Of two that may go at once the arrival goes first.
    fn next(&self, now: Instant) -> Option<(Instant, Next)> {
        let head = self.head_at(now).map(|at| (at, Next::Head));
        let later = self.later_at(now).map(|at| (at, Next::Deferred));
        head.into_iter().chain(later).min()
    }

    /// Takes what [`Dispatcher::next`] found, at `now`. A connection was free for it since `free_since`.
    fn take(&mut self, next: Next, now: Instant, free_since: Instant) -> Work {
        if next == Next::Deferred
            && let Some(Reverse(Deferred { due, mut work })) = self.later.pop()
        {
            work.record.ready = due.max(free_since);
            return work;
        }
        self.take_head(now, free_since)
    }

    fn take_head(&mut self, now: Instant, free_since: Instant) -> Work {
        let head = self.head;
        let mut record = RequestRecord::planned(head.request, head.due, self.thread);
        record.ready = head.due.max(self.ready_from).max(free_since);
        self.head = following(&mut self.arrivals);
        self.hold_back(head.due, record.ready, now);
        Work { record, piece: None, is_sample: true }
    }

    /// After a request that was due at `due`, might have gone at `ready`, and goes at `now`: a late schedule is caught up no
    /// faster than the plan allows. That the generator was late with this one makes it late with the next; but what a
    /// thread is late when it is woken is not held against it, or it would send one request each time, however many are
    /// due.
    fn hold_back(&mut self, due: Instant, ready: Instant, now: Instant) {
        if self.holds_back(now) {
            let gap = self.gap_after(due);
            self.allowed = self.allowed.max(ready).max(now.minus(LET_PASS)).plus(gap);
            self.ready_from = ready.plus(gap);
        }
    }

    fn holds_back(&self, now: Instant) -> bool {
        self.mode == WhenBusy::Wait && now < self.until
    }

    /// How soon after what was due at `due` the head may go.
    fn gap_after(&self, due: Instant) -> Time {
        Time((self.head.due.since(due).0 as f64 / self.catch_up) as u64)
    }
}

/// So much lateness is made up for at once: what wrk2, which counts in ms, sends together too.
const LET_PASS: Time = Time::from_millis(1);

/// Arrivals have no end; the last instant there is stands for those that never come.
fn following(arrivals: &mut Arrivals) -> Arrival {
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
        (self.due, self.work.record.request).cmp(&(other.due, other.work.record.request))
    }
}

#[cfg(test)]
mod tests;
