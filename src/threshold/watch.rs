//! Looks for conditions that end a run, while it goes on.

use std::collections::VecDeque;
use std::iter::Peekable;

use super::abort::AbortCondition;
use super::evaluation::Measurements;
use crate::arrivals::Arrivals;
use crate::record::digest::{SparseHistogram, TWO_DIGITS};
use crate::record::{Abort, LowerBounds, Outcome, RequestRecord};
use crate::stats::{lag_histogram, latency_histogram, ratio};
use crate::units::{Instant, Time};

/// What a watch knows of the load before it starts.
pub struct WatchedLoad {
    /// The requests of each thread.
    pub arrivals: Vec<Arrivals>,
    /// No request is due after this instant.
    pub arrivals_end: Instant,
    /// A request that has waited for longer counts as an error.
    pub timeout: Time,
    /// For goodput.
    pub slo: Option<Time>,
}

/// The conditions that end a run, and what they need to know of its last part.
pub struct AbortWatch {
    conditions: Vec<AbortCondition>,
    arrivals: Vec<Peekable<Arrivals>>,
    arrivals_end: Instant,
    timeout: Time,
    slo: Option<Time>,
    /// In order of time. The first one has the number `first`.
    slots: VecDeque<Slot>,
    first: u64,
}

/// What happened within [`SLOT`].
#[derive(Default)]
struct Slot {
    /// Requests that ended in it, and those of them with an error.
    ended: u64,
    errors: u64,
    good: u64,
    /// Attempts that were answered in it.
    answers: u64,
    /// Requests due in it.
    due: u64,
    /// Those of them that have ended. Records may come before the schedule is read.
    due_and_ended: u64,
    response_us: SparseHistogram<TWO_DIGITS>,
    service_us: SparseHistogram<TWO_DIGITS>,
    send_lag_ns: SparseHistogram<TWO_DIGITS>,
}

const SLOT: Time = Time::from_millis(250);
/// The time within which the record of a request arrives after its end: workers send records every 100 ms.
const RECORD_DELAY: Time = Time::from_millis(300);

fn slot_of(at: Instant) -> u64 {
    at.0 / SLOT.0
}

impl AbortWatch {
    pub fn new(conditions: Vec<AbortCondition>, load: WatchedLoad) -> AbortWatch {
        let WatchedLoad { arrivals, arrivals_end, timeout, slo } = load;
        let arrivals = arrivals.into_iter().map(Iterator::peekable).collect();
        AbortWatch { conditions, arrivals, arrivals_end, timeout, slo, slots: VecDeque::new(), first: 0 }
    }

    /// The slot of an instant, unless it is too old to matter.
    fn slot(&mut self, at: Instant) -> Option<&mut Slot> {
        let index = usize::try_from(slot_of(at.known()?).checked_sub(self.first)?).ok()?;
        while self.slots.len() <= index {
            self.slots.push_back(Slot::default());
        }
        self.slots.get_mut(index)
    }

    /// Adds a record.
    pub fn add(&mut self, record: &RequestRecord) {
        if self.conditions.is_empty() {
            return;
        }
        let slo = self.slo;
        if record.is_last()
            && let Some(slot) = self.slot(record.due)
        {
            slot.due_and_ended += 1;
        }
        let Some(slot) = self.slot(record.end) else { return };
        slot.answers += u64::from(record.outcome() == Some(Outcome::Answered));
        if record.is_last() {
            slot.ended += 1;
            slot.errors += u64::from(record.has_error());
            let is_good =
                record.is_success() && record.response_time().is_some_and(|time| slo.is_some_and(|slo| time <= slo));
            slot.good += u64::from(is_good);
        }
        if let Some(time) = record.response_sample() {
            slot.response_us.add(time.round_to_us());
        }
        if let Some(time) = record.service_sample() {
            slot.service_us.add(time.round_to_us());
        }
        if let Some(lag) = record.send_lag() {
            slot.send_lag_ns.add(lag.0);
        }
    }

    /// The first condition that holds at `now`, if requests are still due. `now` must not decrease from one call to the next.
    pub fn check(&mut self, now: Instant) -> Option<Abort> {
        let at = now.minus(RECORD_DELAY);
        if self.conditions.is_empty() || at >= self.arrivals_end {
            return None;
        }
        self.read_schedule(at);
        let abort = self.conditions.iter().find_map(|abort| {
            let is_over = at >= Instant::START.plus(abort.window);
            let window = is_over.then(|| self.sum_window(at, abort.window))?;
            abort.check(at, &window.measurements(self.slo.is_some(), abort.window))
        });
        self.forget(at);
        abort
    }

    /// Counts the requests that are due before `at`.
    fn read_schedule(&mut self, at: Instant) {
        let end = at.min(self.arrivals_end);
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for thread in &mut arrivals {
            while let Some(arrival) = thread.next_if(|arrival| arrival.due < end) {
                if let Some(slot) = self.slot(arrival.due) {
                    slot.due += 1;
                }
            }
        }
        self.arrivals = arrivals;
    }

    /// The slots of the part of length `window` that ends `ago` before `at`, with their numbers.
    fn slots_before(&self, at: Instant, ago: Time, window: Time) -> impl Iterator<Item = (u64, &Slot)> {
        let end = slot_of(at).saturating_sub(ago.0 / SLOT.0);
        let range = end.saturating_sub(window.0 / SLOT.0)..end;
        (self.first..).zip(&self.slots).filter(move |(number, _)| range.contains(number))
    }

    /// The sums over the window that ends at `at`. Requests whose timeout passed in it and that still wait are part of it.
    fn sum_window(&self, at: Instant, window: Time) -> WindowSums {
        let mut sums = WindowSums::default();
        for (_, slot) in self.slots_before(at, Time::ZERO, window) {
            sums.ended += slot.ended;
            sums.errors += slot.errors;
            sums.good += slot.good;
            sums.answers += slot.answers;
            sums.due += slot.due;
            slot.response_us.buckets().for_each(|(us, count)| sums.response.saturating_record_n(us, count));
            slot.service_us.buckets().for_each(|(us, count)| sums.service.saturating_record_n(us, count));
            slot.send_lag_ns.buckets().for_each(|(ns, count)| sums.send_lag.saturating_record_n(ns, count));
        }
        // Without a timeout, or with a long one, a request that waits for the whole window is no better than an error.
        let wait = self.timeout.min(window);
        for (number, slot) in self.slots_before(at, wait, window) {
            let waiting = slot.due.saturating_sub(slot.due_and_ended);
            let waited = at.since(Instant((number + 1) * SLOT.0)).round_to_us();
            if waiting > 0 {
                sums.waiting += waiting;
                sums.response.saturating_record_n(waited, waiting);
                sums.lower_bounds.add(&sums.response, waited, waiting);
            }
        }
        sums
    }

    /// Drops the slots that no window needs any more.
    fn forget(&mut self, at: Instant) {
        let longest = self.conditions.iter().map(|abort| abort.window).max().unwrap_or(Time::ZERO);
        let oldest = slot_of(at.minus(longest.times(2).plus(SLOT)));
        while self.first < oldest && self.slots.pop_front().is_some() {
            self.first += 1;
        }
    }
}

struct WindowSums {
    ended: u64,
    errors: u64,
    good: u64,
    answers: u64,
    due: u64,
    /// Requests that were due before and have not ended.
    waiting: u64,
    response: hdrhistogram::Histogram<u64>,
    lower_bounds: LowerBounds,
    service: hdrhistogram::Histogram<u64>,
    send_lag: hdrhistogram::Histogram<u64>,
}

impl Default for WindowSums {
    fn default() -> WindowSums {
        WindowSums {
            ended: 0,
            errors: 0,
            good: 0,
            answers: 0,
            due: 0,
            waiting: 0,
            response: latency_histogram(),
            lower_bounds: LowerBounds::default(),
            service: latency_histogram(),
            send_lag: lag_histogram(),
        }
    }
}

impl WindowSums {
    fn measurements(&self, has_slo: bool, window: Time) -> Measurements<'_> {
        let per_second = |count: u64| ratio(count as f64, window.as_secs_f64());
        Measurements {
            requests: self.ended + self.waiting,
            errors: self.errors + self.waiting,
            unanswered: 0,
            unsent: 0,
            good: has_slo.then_some((self.good, self.ended + self.waiting)),
            rate: per_second(self.answers),
            planned_rate: per_second(self.due),
            response: &self.response,
            lower_bounds: &self.lower_bounds,
            service: &self.service,
            send_lag: &self.send_lag,
        }
    }
}
