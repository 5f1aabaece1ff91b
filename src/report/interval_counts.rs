use serde::{Deserialize, Serialize};

use crate::record::digest::Digest;
use crate::units::Time;

/// What happened in each interval of a run, from the start of load until the last request ended. All lists have the same
/// length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IntervalCounts {
    /// The width of an interval in ns: 1 s, or more in a long run.
    pub width_ns: u64,
    /// Requests due in the interval.
    pub due: Vec<u64>,
    /// How many of them were answered with a status below 400 within the SLO.
    pub good: Vec<u64>,
    /// Answers with a status below 400 that arrived in the interval, however late.
    pub successful: Vec<u64>,
    /// Attempts that failed, or were answered with a status above 399, in the interval.
    pub errors: Vec<u64>,
    /// The mean number of requests that were due and had not ended.
    pub backlog: Vec<f64>,
}

impl IntervalCounts {
    pub fn of(digest: &Digest) -> IntervalCounts {
        let (width, list) = (digest.intervals.width, &digest.intervals.list);
        let steps: Vec<(f64, f64)> = digest.backlog.means().collect();
        IntervalCounts {
            width_ns: width.0,
            due: list.iter().map(|interval| interval.due).collect(),
            good: list.iter().map(|interval| interval.good).collect(),
            successful: list.iter().map(|interval| interval.successful).collect(),
            errors: list.iter().map(|interval| interval.errors).collect(),
            backlog: (0..list.len()).map(|index| mean_within(&steps, index, width)).collect(),
        }
    }
}

/// The mean of the steps in the interval, or the last step before it if steps are wider. Steps are their middles in
/// seconds and their values.
fn mean_within(steps: &[(f64, f64)], index: usize, width: Time) -> f64 {
    let edge = |index: usize| steps.partition_point(|&(middle, _)| middle < index as f64 * width.as_secs_f64());
    let (from, to) = (edge(index), edge(index + 1));
    match &steps[from..to] {
        [] => from.checked_sub(1).map_or(0.0, |last| steps[last].1),
        within => within.iter().map(|(_, value)| value).sum::<f64>() / within.len() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_the_mean_of_its_steps() {
        let steps = [(0.25, 1.0), (0.75, 3.0), (1.25, 5.0), (1.75, 7.0)];
        let at = |index| mean_within(&steps, index, Time::from_secs(1));
        assert_eq!([0, 1, 2].map(at), [2.0, 6.0, 7.0]);
        let wide = [(2.0, 4.0), (6.0, 8.0)];
        let at = |index| mean_within(&wide, index, Time::from_secs(1));
        assert_eq!([0, 2, 3, 7].map(at), [0.0, 4.0, 4.0, 8.0]);
    }
}
