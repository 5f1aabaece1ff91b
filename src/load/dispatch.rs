//! Which request goes next, when, and on which connection. Pure: instants come in as arguments.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

use super::plan::{LoadPlan, WhenBusy};
use super::requests::Payload;
use crate::arrivals::{Arrival, Arrivals};
use crate::record::RequestRecord;

/// An attempt that is to be made: its record so far, and the bytes of a retry (a first attempt has none yet).
#[derive(Clone, Debug)]
pub struct Work {
    pub record: RequestRecord,
    pub payload: Option<Rc<Payload>>,
}

/// What the pacer does next.
#[derive(Debug)]
pub enum Turn {
    /// Send this, on that free connection or on a new one.
    Send(Work, Option<usize>),
    /// Nothing before that instant, whatever connections do.
    Wait(u64),
    /// Something is due and no connection may carry it: look again when one is free, or at that instant.
    Blocked(u64),
    /// Nothing is left to send. What is in flight has until that instant, and a failure may still want a retry.
    Drain(u64),
    /// Nothing more is sent or waited for.
    Over,
}

/// One thread's schedule and its free connections.
pub struct Dispatcher {
    arrivals: Arrivals,
    head: Option<Arrival>,
    /// The end of arrivals.
    until: u64,
    /// For so long after it, what is in flight may finish and retries may go.
    drain: u64,
    mode: WhenBusy,
    catch_up: f64,
    /// While behind, the head goes no earlier than this.
    allowed: u64,
    retries: BinaryHeap<Reverse<Retry>>,
    /// Connections without work and since when; the one that is free longest goes first.
    free: VecDeque<(usize, u64)>,
    /// Connections there are, and may be.
    open: usize,
    bound: usize,
    bound_reached: bool,
    begun: bool,
    thread: u16,
}

/// Ordered by time, then by request, so that what goes first never depends on the heap.
struct Retry {
    due: u64,
    work: Work,
}

impl Dispatcher {
    pub fn new(plan: &LoadPlan, thread: usize) -> Dispatcher {
        let arrivals = Arrivals::new(plan.arrivals, plan.rate, plan.seed, thread as u64, plan.threads as u64);
        let bound = match plan.when_busy {
            WhenBusy::Wait | WhenBusy::Pipeline => plan.places(thread),
            WhenBusy::Open => plan.share(plan.max_connections, thread),
        };
        let mut dispatcher = Dispatcher {
            arrivals,
            head: None,
            until: plan.duration.0,
            drain: plan.drain.0,
            mode: plan.when_busy,
            catch_up: plan.catch_up,
            allowed: 0,
            retries: BinaryHeap::new(),
            free: VecDeque::new(),
            open: plan.places(thread),
            bound,
            bound_reached: false,
            begun: false,
            thread: thread as u16,
        };
        dispatcher.advance();
        dispatcher
    }

    /// The clock is at its zero: what is due may go, on connections that are free from now on.
    pub fn begin(&mut self) {
        self.begun = true;
        self.free.iter_mut().for_each(|(_, since)| *since = 0);
    }

    /// Arrivals end at `at`, if they don't end before.
    pub fn end_arrivals(&mut self, at: u64) {
        self.until = self.until.min(at);
        self.head = self.head.filter(|head| head.due < self.until);
    }

    /// The end of arrivals.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Connections there are, busy or free.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Every connection is there and free.
    pub fn all_free(&self) -> bool {
        self.free.len() >= self.open
    }

    /// A due request had to wait because no further connection was allowed.
    pub fn bound_reached(&self) -> bool {
        self.bound_reached
    }

    /// What the pacer does at `now`.
    pub fn turn(&mut self, now: u64) -> Turn {
        if now >= self.drained() {
            return Turn::Over;
        }
        // Both ends change what may go.
        let end = if now < self.until { self.until } else { self.drained() };
        match self.next_at(now) {
            None if now < self.until => return Turn::Wait(end),
            None => return Turn::Drain(end),
            Some(at) if at > now => return Turn::Wait(at.min(end)),
            Some(_) => {}
        }
        match self.free.pop_front() {
            Some((connection, since)) => Turn::Send(self.take(now, since), Some(connection)),
            None if self.mode == WhenBusy::Open && self.open < self.bound => {
                self.open += 1;
                Turn::Send(self.take(now, 0), None)
            }
            None => {
                self.bound_reached = true;
                Turn::Blocked(end)
            }
        }
    }

    /// A connection is free from `now` on: gives it what is ready, or keeps it for later.
    pub fn offer(&mut self, connection: usize, now: u64) -> Option<Work> {
        if self.begun && self.next_at(now).is_some_and(|at| at <= now) {
            let since = self.free.front().map_or(now, |(_, since)| *since);
            return Some(self.take(now, since));
        }
        self.free.push_back((connection, now));
        None
    }

    /// A free connection was closed.
    pub fn withdraw(&mut self, connection: usize) {
        self.free.retain(|(free, _)| *free != connection);
    }

    /// Many free connections were closed at once.
    pub fn withdraw_all(&mut self, closed: impl Fn(usize) -> bool) {
        self.free.retain(|(free, _)| !closed(*free));
    }

    /// A connection is gone for good (open mode): another may take its place.
    pub fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The attempt failed and is to be made again at `due`.
    pub fn retry(&mut self, failed: &RequestRecord, payload: Rc<Payload>, due: u64) {
        let mut record = RequestRecord::planned(failed.request, failed.intended, self.thread);
        record.attempt = failed.attempt + 1;
        record.set_warmup(failed.is_warmup());
        self.retries.push(Reverse(Retry { due, work: Work { record, payload: Some(payload) } }));
    }

    /// What is left of the retries when the run ends.
    pub fn abandoned_retries(&mut self) -> Vec<RequestRecord> {
        self.retries.drain().map(|Reverse(retry)| retry.work.record).collect()
    }

    /// The next request that was due before the end of arrivals and never sent.
    pub fn next_unsent(&mut self) -> Option<RequestRecord> {
        let head = self.head?;
        self.advance();
        Some(RequestRecord::planned(head.request, head.due, self.thread))
    }

    /// When the run ends, whatever is in flight then.
    fn drained(&self) -> u64 {
        self.until.saturating_add(self.drain)
    }

    /// When the next attempt may go.
    fn next_at(&self, now: u64) -> Option<u64> {
        if now >= self.drained() {
            return None;
        }
        if now >= self.until {
            // What is due and unsent by now stays unsent; only retries may still go.
            return self.retries.peek().map(|Reverse(retry)| retry.due);
        }
        let head = self.head.map(|head| head.due.max(self.allowed));
        let retry = self.retries.peek().map(|Reverse(retry)| retry.due);
        match (head, retry) {
            (Some(head), Some(retry)) => Some(head.min(retry)),
            (head, retry) => head.or(retry),
        }
    }

    /// Takes what [`Dispatcher::next_at`] found. A connection was free for it since `free_since`.
    fn take(&mut self, now: u64, free_since: u64) -> Work {
        let head_at = self.head.filter(|_| now < self.until).map(|head| head.due.max(self.allowed));
        let retry_first = match (self.retries.peek(), head_at) {
            (Some(Reverse(retry)), Some(at)) => retry.due < at,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if retry_first && let Some(Reverse(Retry { due, mut work })) = self.retries.pop() {
            work.record.ready = due.max(free_since);
            return work;
        }
        let head = self.head.unwrap_or(Arrival { request: 0, due: now });
        self.advance();
        let mut record = RequestRecord::planned(head.request, head.due, self.thread);
        record.ready = head_at.unwrap_or(now).max(free_since);
        if let (WhenBusy::Wait, Some(next)) = (self.mode, self.head) {
            self.allowed = now + ((next.due - head.due) as f64 / self.catch_up) as u64;
        }
        Work { record, payload: None }
    }

    fn advance(&mut self) {
        self.head = self.arrivals.next().filter(|head| head.due < self.until);
    }
}

impl PartialEq for Retry {
    fn eq(&self, other: &Retry) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Retry {}

impl PartialOrd for Retry {
    fn partial_cmp(&self, other: &Retry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Retry {
    fn cmp(&self, other: &Retry) -> std::cmp::Ordering {
        (self.due, self.work.record.request).cmp(&(other.due, other.work.record.request))
    }
}

#[cfg(test)]
mod tests;
