//! Bins of cohort goodput, and where they lie on the run's clock.

use serde::{Deserialize, Serialize};

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

/// Where bins lie: `width` wide, backward from the first anchor and forward from each anchor. Before the next anchor the
/// last bin takes the remainder, since less than `width` holds too few requests to judge by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinLayout {
    width: Time,
    /// The anchors in their order, each with the index of the bin that starts there. Never empty.
    anchors: Vec<(Instant, u64)>,
}

impl BinLayout {
    /// Bins around `anchors`, which may be in any order. Without an anchor, bins go forward from the start.
    pub fn new(width: Time, anchors: impl IntoIterator<Item = Instant>) -> BinLayout {
        let mut anchors: Vec<Instant> = anchors.into_iter().collect();
        anchors.sort_unstable();
        anchors.dedup();
        let first = anchors.first().copied().unwrap_or(Instant::START);
        let mut index = first.0.div_ceil(width.0);
        let mut indexed = vec![(first, index)];
        for pair in anchors.windows(2) {
            index += (pair[1].since(pair[0]).0 / width.0).max(1);
            indexed.push((pair[1], index));
        }
        BinLayout { width, anchors: indexed }
    }

    /// The index of the bin that contains `at`.
    pub fn index(&self, at: Instant) -> u64 {
        let (first, before) = self.anchors[0];
        if at < first {
            return before - 1 - (first.0 - 1 - at.0) / self.width.0;
        }
        let next = self.anchors.partition_point(|(anchor, _)| *anchor <= at);
        let (anchor, start) = self.anchors[next - 1];
        let index = start + at.since(anchor).0 / self.width.0;
        self.anchors.get(next).map_or(index, |(_, limit)| index.min(limit - 1))
    }

    /// The start of the bin at `index`.
    fn start(&self, index: u64) -> Instant {
        let (first, before) = self.anchors[0];
        if index < before {
            return first.minus(self.width.times(before - index));
        }
        let next = self.anchors.partition_point(|(_, start)| *start <= index);
        let (anchor, start) = self.anchors[next - 1];
        anchor.plus(self.width.times(index - start))
    }

    /// The number of bins over `[0, end)`.
    pub fn len_until(&self, end: Instant) -> u64 {
        if end == Instant::START { 0 } else { self.index(Instant(end.0 - 1)) + 1 }
    }

    /// Empty bins over `[0, end)`, the last one cut at `end`.
    pub fn empty_bins(&self, end: Instant) -> Vec<Bin> {
        let empty = |i| Bin { from: self.start(i), to: self.start(i + 1).min(end), scheduled: 0, good: 0 };
        (0..self.len_until(end)).map(empty).collect()
    }

    /// Counts requests in bins over `[0, end)`, the last one cut at `end`: by the due times of all requests
    /// (`scheduled`), and of the good ones (`good`).
    pub fn count(
        &self,
        scheduled: impl Iterator<Item = Instant>,
        good: impl Iterator<Item = Instant>,
        end: Instant,
    ) -> Vec<Bin> {
        let mut bins = self.empty_bins(end);
        for due in scheduled.filter(|&due| due < end) {
            bins[self.index(due) as usize].scheduled += 1;
        }
        for due in good.filter(|&due| due < end) {
            bins[self.index(due) as usize].good += 1;
        }
        bins
    }
}
