use serde::{Deserialize, Serialize};

use super::MAX_COUNT;
use crate::units::Instant;

/// The mean number of overlapping intervals of time in each of 1000 steps, such as attempts in flight. Samples at instants
/// would show beats between the sampling rate and a constant request rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanConcurrency {
    step_ns: u64,
    /// For each step, the ns covered by intervals that start or end in it.
    parts_ns: Vec<u64>,
    /// For each step, the change in the number of intervals that cover all of it.
    changes: Vec<i64>,
}

impl MeanConcurrency {
    const STEPS: u64 = 1000;

    /// From the start of load until `axis_end`.
    pub fn new(axis_end: Instant) -> MeanConcurrency {
        let steps = Self::STEPS as usize + 1;
        let step_ns = (axis_end.0 / Self::STEPS).max(1);
        MeanConcurrency { step_ns, parts_ns: vec![0; steps], changes: vec![0; steps] }
    }

    pub fn add(&mut self, from: Instant, to: Instant) {
        // Instants after the end of the axis fall into the last step, which is not shown.
        let end = self.step_ns * Self::STEPS;
        let (from, to) = (from.0.min(end), to.max(from).0.min(end));
        let (first, last) = ((from / self.step_ns) as usize, (to / self.step_ns) as usize);
        let mut cover = |step: usize, ns| self.parts_ns[step] = self.parts_ns[step].saturating_add(ns);
        if first == last {
            cover(first, to - from);
        } else {
            cover(first, (first as u64 + 1) * self.step_ns - from);
            cover(last, to - last as u64 * self.step_ns);
            self.changes[first + 1] += 1;
            self.changes[last] -= 1;
        }
    }

    pub fn merge(&mut self, other: &MeanConcurrency) {
        for (mine, ns) in self.parts_ns.iter_mut().zip(&other.parts_ns) {
            *mine = mine.saturating_add(*ns);
        }
        self.changes.iter_mut().zip(&other.changes).for_each(|(mine, by)| *mine += by);
    }

    /// The middle of each step in seconds, and the mean number in it.
    pub fn means(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let steps = self.parts_ns.iter().zip(&self.changes).take(Self::STEPS as usize).enumerate();
        steps.scan(0, |whole, (k, (part, change))| {
            *whole += change;
            let mean = *whole as f64 + *part as f64 / self.step_ns as f64;
            Some(((k as f64 + 0.5) * self.step_ns as f64 / 1e9, mean))
        })
    }

    /// Whether it can be that of a run with this end of the axis.
    pub(super) fn is_plausible(&self, axis_end: Instant) -> bool {
        let empty = MeanConcurrency::new(axis_end);
        let shape = |one: &MeanConcurrency| (one.step_ns, one.parts_ns.len(), one.changes.len());
        shape(self) == shape(&empty) && self.changes.iter().all(|change| change.unsigned_abs() <= MAX_COUNT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_is_the_mean_of_each_step() {
        let mut concurrency = MeanConcurrency::new(Instant(1000 * 10));
        for (from, to) in [(12, 17), (5, 35), (30, 30), (40, 20), (9_995, u64::MAX), (u64::MAX - 1, u64::MAX)] {
            concurrency.add(Instant(from), Instant(to));
        }
        let means: Vec<f64> = concurrency.means().map(|point| point.1).collect();
        assert_eq!(means[..5], [0.5, 1.5, 1.0, 0.5, 0.0]);
        assert_eq!((means.len(), means[998], means[999]), (1000, 0.0, 0.5));
    }
}
