//! The statistics of a phase, over all of its seconds or over a resample of them.

use super::metric::{ChangeKind, Metric};
use super::run::Second;
use crate::record::digest::{SparseHistogram, THREE_DIGITS};
use crate::stats::percentile_rank;

/// A percentile needs this many samples above it.
const MIN_ABOVE: f64 = 10.0;

/// The seconds of a phase, prepared to be measured often.
#[derive(Clone, Debug)]
pub struct PhaseMeasure {
    /// The greatest value of each bucket that occurs, in order.
    values: Vec<u64>,
    /// Of each second: the buckets by their places in `values`, with their counts.
    counts: Vec<Vec<(usize, u64)>>,
    /// Of each second: due, good, errors, the sum of response times, and their number.
    sums: Vec<[u64; 5]>,
    has_slo: bool,
    least_bound_us: Option<u64>,
}

impl PhaseMeasure {
    pub fn new(seconds: &[Second], has_slo: bool) -> PhaseMeasure {
        let mut all: SparseHistogram<THREE_DIGITS> = SparseHistogram::default();
        seconds.iter().for_each(|second| all.merge(&second.response_us));
        let lowest: Vec<u64> = all.buckets().map(|(lowest, _)| lowest).collect();
        let place = |lowest_of: u64| lowest.partition_point(|&lowest| lowest < lowest_of);
        let counts_of =
            |second: &Second| second.response_us.buckets().map(|(lowest, count)| (place(lowest), count)).collect();
        let sums_of = |second: &Second| {
            [second.due, second.good, second.errors, second.response_sum_us, second.response_us.count()]
        };
        PhaseMeasure {
            counts: seconds.iter().map(counts_of).collect(),
            sums: seconds.iter().map(sums_of).collect(),
            values: lowest.iter().map(|&lowest| SparseHistogram::<THREE_DIGITS>::highest_beside(lowest)).collect(),
            has_slo,
            least_bound_us: seconds.iter().filter_map(|second| second.least_bound_us).min(),
        }
    }

    pub fn seconds(&self) -> usize {
        self.sums.len()
    }

    pub fn requests(&self) -> u64 {
        self.sums.iter().map(|sums| sums[0]).sum()
    }

    /// Whether there are enough samples to tell how much this varies.
    pub fn has_enough(&self, metric: Metric) -> bool {
        let samples: u64 = self.sums.iter().map(|sums| sums[4]).sum();
        metric.percent().is_none_or(|percent| (1.0 - percent / 100.0) * samples as f64 >= MIN_ABOVE)
    }

    /// Whether this value is only a lower bound, because a response that short was not awaited any longer.
    pub fn is_bound(&self, metric: Metric, value: f64) -> bool {
        let is_time = metric.change_kind() == ChangeKind::Ratio;
        is_time && self.least_bound_us.is_some_and(|least| metric == Metric::Mean || value >= least as f64)
    }

    /// The value of each metric, in us or as a share, where the second `i` counts `weights[i]` times. `None` without a
    /// sample.
    pub fn measure(&self, weights: &[u32]) -> [Option<f64>; Metric::ALL.len()] {
        let mut sums = [0u64; 5];
        let mut counts = vec![0u64; self.values.len()];
        for (second, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            sums.iter_mut().zip(self.sums[second]).for_each(|(sum, part)| *sum += part * u64::from(weight));
            self.counts[second].iter().for_each(|&(place, count)| counts[place] += count * u64::from(weight));
        }
        let [due, good, errors, response_sum, responses] = sums;
        let share = |part: u64| (due > 0).then(|| part as f64 / due as f64);
        Metric::ALL.map(|metric| match metric {
            Metric::Errors => share(errors),
            Metric::Goodput => share(good).filter(|_| self.has_slo),
            _ if responses == 0 => None,
            Metric::Mean => Some(response_sum as f64 / responses as f64),
            _ => self.value_at(&counts, responses, metric.percent()?),
        })
    }

    fn value_at(&self, counts: &[u64], responses: u64, percent: f64) -> Option<f64> {
        let rank = percentile_rank(responses, percent).min(responses);
        let mut seen = 0;
        let place = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(self.values[place] as f64)
    }
}
