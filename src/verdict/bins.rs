//! Bins of cohort goodput, and where they lie on the run's clock.

use serde::{Deserialize, Serialize};

use crate::plan::VerdictWindows;
use crate::units::{Instant, Time};

/// Cohort goodput: how many of the requests due in `[from, to)` were answered well and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin {
    pub from: Instant,
    pub to: Instant,
    pub scheduled: u64,
    pub good: u64,
}

impl Bin {
    /// Goodput, 0 to 1; 1 for a bin in which nothing was due.
    pub fn goodput(&self) -> f64 {
        if self.scheduled == 0 { 1.0 } else { self.good as f64 / self.scheduled as f64 }
    }

    /// The width of the bin.
    pub fn span(&self) -> Time {
        self.to.since(self.from)
    }
}

/// Where bins lie: `width` wide, backward from t0 and forward from t1. Between the two they go forward from t0, and the
/// last of these takes the remainder, since less than `width` holds too few requests to judge by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinLayout {
    pub width: Time,
    pub t0: Instant,
    /// `None` while the fault lasts: bins then go on forward from t0.
    pub t1: Option<Instant>,
}

impl BinLayout {
    /// The number of bins before t0.
    fn before(&self) -> u64 {
        self.t0.0.div_ceil(self.width.0)
    }

    /// The number of bins between t0 and t1.
    fn during(&self) -> u64 {
        match self.t1.map_or(0, |t1| t1.since(self.t0).0) {
            0 => 0,
            outage => (outage / self.width.0).max(1),
        }
    }

    /// The index of the bin that contains `at`.
    fn index(&self, at: Instant) -> u64 {
        let (at, t0, width) = (at.0, self.t0.0, self.width.0);
        match self.t1.map(|t1| t1.0) {
            _ if at < t0 => self.before() - 1 - (t0 - 1 - at) / width,
            Some(t1) if at >= t1 => self.before() + self.during() + (at - t1) / width,
            Some(_) => self.before() + ((at - t0) / width).min(self.during() - 1),
            None => self.before() + (at - t0) / width,
        }
    }

    /// The start of the bin at `index`.
    fn start(&self, index: u64) -> Instant {
        let (before, during) = (self.before(), self.during());
        match self.t1 {
            _ if index < before => self.t0.minus(self.width.times(before - index)),
            Some(t1) if index >= before + during => t1.plus(self.width.times(index - before - during)),
            _ => self.t0.plus(self.width.times(index - before)),
        }
    }

    /// Counts requests in bins over `[0, end)`, the last one cut at `end`: by the due times of all requests
    /// (`scheduled`), and of the good ones (`good`).
    pub fn count(
        &self,
        scheduled: impl Iterator<Item = Instant>,
        good: impl Iterator<Item = Instant>,
        end: Instant,
    ) -> Vec<Bin> {
        let count = if end == Instant::START { 0 } else { self.index(Instant(end.0 - 1)) + 1 };
        let empty = |i| Bin { from: self.start(i), to: self.start(i + 1).min(end), scheduled: 0, good: 0 };
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

/// The leading bins that are final at `now`: no request due in them can still become good. All requests that had ended
/// by `now` must have been counted.
pub fn take_final(bins: Vec<Bin>, slo: Time, now: Instant) -> Vec<Bin> {
    bins.into_iter().take_while(|bin| bin.to.plus(slo) <= now).collect()
}

/// Leaves out a last bin that the end of arrivals cut short: it holds too few requests to judge by. The bins of the
/// fault stay, however short the fault.
pub fn whole_bins(bins: &[Bin], windows: VerdictWindows) -> &[Bin] {
    let cut = bins.last().is_some_and(|bin| bin.span() < windows.bin);
    &bins[..bins.len() - usize::from(cut)]
}
