//! Cohort goodput: of the requests *scheduled* in a bin, the share that was answered well and within the SLO.
//!
//! By scheduled time, so that catching up later can't make a bad second look good. The same code serves the run while
//! it goes on and the report after it: a [`Cohorts`] is fed records in any order, and bins are counted anew whenever the
//! instants that they are aligned to become known.

use serde::{Deserialize, Serialize};

use crate::arrivals::{Arrival, Arrivals, Process, Rate, Share};
use crate::plan::{ExperimentPlan, LEAST_SLO, MOST_SLO, Windows};
use crate::record::RequestRecord;
use crate::stats::percentile;
use crate::units::Time;

/// Cohort goodput: of the requests scheduled in `[from, to)`, how many were answered well and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin {
    pub from: u64,
    pub to: u64,
    pub scheduled: u64,
    pub good: u64,
}

impl Bin {
    /// Goodput, 0 to 1; 1 where nothing was scheduled.
    pub fn goodput(&self) -> f64 {
        if self.scheduled == 0 { 1.0 } else { self.good as f64 / self.scheduled as f64 }
    }
}

/// What became of every request so far: 16 bytes each.
#[derive(Clone, Debug, Default)]
pub struct Cohorts {
    requests: Vec<Request>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    due: u64,
    /// When it was resolved; the highest bit says that this was a success. [`UNRESOLVED`] if it never was.
    end: u64,
}

const SUCCESS: u64 = 1 << 63;
const UNRESOLVED: u64 = SUCCESS - 1;

impl Request {
    fn end(self) -> u64 {
        self.end & !SUCCESS
    }

    /// How long a success took; `u64::MAX` for all else.
    fn good_after(self) -> u64 {
        if self.end & SUCCESS != 0 { self.end().saturating_sub(self.due) } else { u64::MAX }
    }
}

impl Cohorts {
    /// Takes note of records, in any order. Attempts that another one follows say nothing.
    pub fn add(&mut self, records: &[RequestRecord]) {
        self.requests.extend(records.iter().filter(|record| record.is_last()).map(|record| {
            // What was still open when the run ended was never resolved, whatever instant its record gives.
            let open = record.outcome().is_none_or(|o| !o.is_failure()) && record.is_lower_bound();
            let end = if open { UNRESOLVED } else { record.end.0.min(UNRESOLVED) };
            let success = if record.is_success() && end != UNRESOLVED { SUCCESS } else { 0 };
            Request { due: record.due.0, end: end | success }
        }));
    }

    /// When each request was due. Once a run has ended these are all that were scheduled.
    pub fn due(&self) -> impl Iterator<Item = u64> + Clone {
        self.requests.iter().map(|request| request.due)
    }

    /// The bins of all requests `scheduled`, up to `end`.
    pub fn bins(&self, layout: Layout, slo: u64, scheduled: impl Iterator<Item = u64>, end: u64) -> Vec<Bin> {
        let good = self.requests.iter().filter(|r| r.good_after() <= slo).map(|r| r.due);
        layout.count(scheduled, good, end)
    }

    /// Requests scheduled but not resolved, at each edge of `count` steps of `step` ns from `from`: seconds and number.
    pub fn backlog(&self, from: u64, step: u64, count: usize) -> Vec<(f64, f64)> {
        // A request joins at the first edge at or after `due`, and leaves at the first at or after its end.
        let edge = |at: u64| at.saturating_sub(from).div_ceil(step.max(1)) as usize;
        let mut change = vec![0i64; count + 1];
        for request in &self.requests {
            for (at, by) in [(request.due, 1), (request.end(), -1)] {
                if let Some(change) = change.get_mut(edge(at)) {
                    *change += by;
                }
            }
        }
        let running = change.iter().scan(0, |sum, by| {
            *sum += by;
            Some(*sum as f64)
        });
        running.enumerate().map(|(i, backlog)| ((from + i as u64 * step) as f64 / 1e9, backlog)).collect()
    }

    /// The baseline before `t0`: the last min(10 s, t0 - warm-up), in whole bins. `None` if that is less than 5 s, or
    /// if nothing was decided in it.
    ///
    /// Requests that the fault may have decided over, in flight at `t0` and not yet late then, count for nothing.
    pub fn baseline(
        &self,
        windows: Windows,
        warmup: u64,
        t0: u64,
        slo: Option<Time>,
        scheduled: impl Iterator<Item = u64> + Clone,
    ) -> Option<Baseline> {
        let width = windows.bin.0;
        let room = t0.checked_sub(warmup)?.min(windows.most_baseline.0);
        if room < windows.least_baseline.0 {
            return None;
        }
        let from = t0 - room / width * width;
        let slo = slo.map_or_else(|| self.usual_slo(from, t0), |slo| slo.0);
        let late = t0.saturating_sub(slo);
        let decided = |r: &&Request| r.due >= from && r.due < t0 && r.due > late && r.end() <= t0;
        let due = scheduled.filter(|&due| due >= from && due <= late);
        let due = due.chain(self.requests.iter().filter(decided).map(|r| r.due));
        let good = self.requests.iter().filter(|r| r.good_after() <= slo && r.due >= from);
        let good = good.filter(|r| r.due <= late || decided(r)).map(|r| r.due);
        // Counted from the baseline's start: t0 may be any instant, and bins before `from` are of no use.
        let layout = Layout { width, t0: t0 - from, t1: None };
        let bins = layout.count(due.map(|due| due - from), good.map(|due| due - from), t0 - from);
        let filled: Vec<f64> = bins.iter().filter(|bin| bin.scheduled > 0).map(Bin::goodput).collect();
        let goodput = filled.iter().sum::<f64>() / filled.len() as f64;
        (!filled.is_empty()).then_some(Baseline { from, to: t0, goodput, slo })
    }

    /// 10 x p99 of the response times of requests due in `[from, to)`, between 1 s and 5 s. A failure counts as endless.
    pub fn usual_slo(&self, from: u64, to: u64) -> u64 {
        let in_time = |r: &&Request| r.due >= from && r.due < to;
        // In flight at the end of the window: the fault may decide over it.
        let open = |r: &&Request| r.end() > to && r.due + MOST_SLO.0 > to;
        let mut times: Vec<u64> =
            self.requests.iter().filter(in_time).filter(|r| !open(r)).map(|r| r.good_after()).collect();
        let p99 = percentile(&mut times, 99.0).unwrap_or(u64::MAX);
        p99.saturating_mul(10).clamp(LEAST_SLO.0, MOST_SLO.0)
    }
}

/// What healthy looked like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    pub from: u64,
    /// t0
    pub to: u64,
    /// g0: the mean of the bins' goodput.
    pub goodput: f64,
    /// What a good answer took at most, in ns.
    pub slo: u64,
}

/// Where bins lie: `width` ns wide, backward from t0 and forward from t1. Between the two they go forward from t0, and
/// the last takes what remains (less than `width`, too few requests to judge by alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub width: u64,
    pub t0: u64,
    /// `None` for as long as the fault lasts: bins then go on forward from t0.
    pub t1: Option<u64>,
}

impl Layout {
    fn before(&self) -> u64 {
        self.t0.div_ceil(self.width)
    }

    fn during(&self) -> u64 {
        match self.t1.map_or(0, |t1| t1.saturating_sub(self.t0)) {
            0 => 0,
            outage => (outage / self.width).max(1),
        }
    }

    /// Which bin an instant lies in.
    fn index(&self, at: u64) -> u64 {
        match self.t1 {
            _ if at < self.t0 => self.before() - 1 - (self.t0 - 1 - at) / self.width,
            Some(t1) if at >= t1 => self.before() + self.during() + (at - t1) / self.width,
            Some(_) => self.before() + ((at - self.t0) / self.width).min(self.during() - 1),
            None => self.before() + (at - self.t0) / self.width,
        }
    }

    fn from(&self, index: u64) -> u64 {
        let (before, during) = (self.before(), self.during());
        match self.t1 {
            _ if index < before => self.t0.saturating_sub((before - index).saturating_mul(self.width)),
            Some(t1) if index >= before + during => t1 + (index - before - during) * self.width,
            _ => self.t0 + (index - before) * self.width,
        }
    }

    /// Bins over `[0, end)`, the last cut at `end`.
    fn count(&self, scheduled: impl Iterator<Item = u64>, good: impl Iterator<Item = u64>, end: u64) -> Vec<Bin> {
        let count = if end == 0 { 0 } else { self.index(end - 1) + 1 };
        let empty = |i| Bin { from: self.from(i), to: self.from(i + 1).min(end), scheduled: 0, good: 0 };
        let mut bins: Vec<Bin> = (0..count).map(empty).collect();
        for due in scheduled.filter(|&due| due < end) {
            bins[self.index(due) as usize].scheduled += 1;
        }
        for due in good.filter(|&due| due < end) {
            bins[self.index(due) as usize].good += 1;
        }
        bins
    }
}

/// Leaves the bins that are final at `now`: nothing due in them can still become good.
/// All that had ended by `now` must have been fed.
pub fn final_at(bins: Vec<Bin>, slo: u64, now: u64) -> Vec<Bin> {
    bins.into_iter().take_while(|bin| bin.to.saturating_add(slo) <= now).collect()
}

/// What the plan has scheduled so far: requests in flight have no record yet, and count all the same.
#[derive(Clone, Debug)]
pub struct Schedule {
    threads: Vec<std::iter::Peekable<Arrivals>>,
    due: Vec<u64>,
}

impl Schedule {
    /// A plan's, from its start.
    pub fn of(plan: &ExperimentPlan) -> Schedule {
        let load = &plan.load;
        Schedule::new(load.arrivals, plan.planned(), load.seed, load.threads)
    }

    pub fn new(process: Process, rate: &Rate, seed: u64, threads: usize) -> Schedule {
        let threads = threads as u64;
        let arrivals = |thread| Arrivals::new(process, rate, seed, Share::new(thread, threads)).peekable();
        Schedule { threads: (0..threads).map(arrivals).collect(), due: Vec::new() }
    }

    /// All instants before `end` at which a request was due, in no order. `end` may only grow.
    pub fn until(&mut self, end: u64) -> &[u64] {
        for thread in &mut self.threads {
            while let Some(Arrival { due, .. }) = thread.next_if(|arrival| arrival.due.0 < end) {
                self.due.push(due.0);
            }
        }
        &self.due
    }
}

#[cfg(test)]
mod tests;
