//! The `latency` and `requests` arguments of `done`: moments, percentiles, and each sample by its rank.

use hdrhistogram::Histogram;
use mlua::{MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

use crate::stats::{Moments, percentile_rank};

/// Samples in order of value. Without samples all results are 0.
///
/// In wrk, `#samples` is the number of distinct values, and `samples(i)` returns a value and its count. In wrk2,
/// `#samples` is the number of samples, and `samples[i]` is the sample of rank i. Here `#samples` is the number of samples,
/// `samples[i]` is the sample of rank i, and `samples(i)` returns it with the count 1. So sums are right in scripts for
/// either program.
pub struct StatsObject {
    min: f64,
    max: f64,
    mean: f64,
    stdev: f64,
    /// Each distinct value, after the number of samples up to it.
    steps: Vec<(u64, f64)>,
}

impl StatsObject {
    /// The samples of a histogram, with its precision.
    pub fn of_histogram(histogram: &Histogram<u64>) -> StatsObject {
        let mut up_to = 0;
        let steps: Vec<(u64, f64)> = histogram
            .iter_recorded()
            .map(|step| {
                up_to += step.count_at_value();
                (up_to, histogram.highest_equivalent(step.value_iterated_to()) as f64)
            })
            .collect();
        if steps.is_empty() {
            return StatsObject::of(&[]);
        }
        let (min, max) = (histogram.min() as f64, histogram.lowest_equivalent(histogram.max()) as f64);
        StatsObject { min, max, mean: histogram.mean(), stdev: histogram.stdev(), steps }
    }

    /// These samples. Samples that are not finite are left out.
    pub fn of(samples: &[f64]) -> StatsObject {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let Moments { mean, stdev, max, .. } = Moments::of(&sorted);
        let min = sorted.first().copied().unwrap_or(0.0);
        StatsObject { min, max, mean, stdev, steps: (1..).zip(sorted).collect() }
    }

    fn len(&self) -> u64 {
        self.steps.last().map_or(0, |&(up_to, _)| up_to)
    }

    /// The sample of a rank (from 1), or of the nearest existing rank.
    fn at(&self, rank: f64) -> f64 {
        // The conversion truncates, and turns NaN and negative numbers into 0.
        let rank = (rank as u64).clamp(1, self.len().max(1));
        let step = self.steps.partition_point(|&(up_to, _)| up_to < rank);
        self.steps.get(step).map_or(0.0, |&(_, value)| value)
    }

    /// The sample at `percent` (0 to 100), by the rank of `stats::percentile_rank`.
    fn percentile(&self, percent: f64) -> f64 {
        self.at(percentile_rank(self.len(), percent) as f64)
    }
}

impl UserData for StatsObject {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("min", |_, samples| Ok(samples.min));
        fields.add_field_method_get("max", |_, samples| Ok(samples.max));
        fields.add_field_method_get("mean", |_, samples| Ok(samples.mean));
        fields.add_field_method_get("stdev", |_, samples| Ok(samples.stdev));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("percentile", |_, samples, percent: f64| Ok(samples.percentile(percent)));
        methods.add_meta_method(MetaMethod::Len, |_, samples, ()| Ok(samples.len() as f64));
        methods.add_meta_method(MetaMethod::Call, |_, samples, rank: f64| {
            let exists = rank >= 1.0 && rank <= samples.len() as f64;
            Ok((samples.at(rank), u8::from(exists)))
        });
        methods.add_meta_method(MetaMethod::Index, |_, samples, key: Value| {
            Ok(match key {
                Value::Integer(rank) => Some(samples.at(rank as f64)),
                Value::Number(rank) => Some(samples.at(rank)),
                _ => None,
            })
        });
    }
}
