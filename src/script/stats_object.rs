//! What `done` gets for latencies and rates: their moments, percentiles, and every sample by its rank.

use hdrhistogram::Histogram;
use mlua::{MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

use crate::stats::{Moments, percentile_rank};

/// StatsObject in order of value. All numbers are 0 where there is no sample.
///
/// wrk counts distinct values with `#` and gives a value and how often it occurred for `samples(i)`; wrk2 counts
/// samples, and gives the one of rank i for `samples[i]`. Here `#` counts samples and both give the one of rank i,
/// the call with the count 1, so that what a script sums up in either way is right.
pub struct StatsObject {
    min: f64,
    max: f64,
    mean: f64,
    stdev: f64,
    /// Each distinct value, and how many samples are at most that.
    steps: Vec<(u64, f64)>,
}

impl StatsObject {
    /// The samples of a histogram, as far as it tells them apart.
    pub fn of_histogram(histogram: &Histogram<u64>) -> StatsObject {
        let mut upto = 0;
        let steps: Vec<(u64, f64)> = histogram
            .iter_recorded()
            .map(|step| {
                upto += step.count_at_value();
                (upto, histogram.highest_equivalent(step.value_iterated_to()) as f64)
            })
            .collect();
        if steps.is_empty() {
            return StatsObject::of(&[]);
        }
        let (min, max) = (histogram.min() as f64, histogram.lowest_equivalent(histogram.max()) as f64);
        StatsObject { min, max, mean: histogram.mean(), stdev: histogram.stdev(), steps }
    }

    /// These samples; those that are no finite numbers are left out.
    pub fn of(samples: &[f64]) -> StatsObject {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let Moments { mean, stdev, max, .. } = Moments::of(&sorted);
        let min = sorted.first().copied().unwrap_or(0.0);
        StatsObject { min, max, mean, stdev, steps: (1..).zip(sorted).collect() }
    }

    fn len(&self) -> u64 {
        self.steps.last().map_or(0, |&(upto, _)| upto)
    }

    /// The sample of a rank from 1; the nearest there is.
    fn at(&self, rank: f64) -> f64 {
        // A float that is no rank becomes the nearest one, NaN becomes 0.
        let rank = (rank as u64).clamp(1, self.len().max(1));
        let step = self.steps.partition_point(|&(upto, _)| upto < rank);
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
            let there = rank >= 1.0 && rank <= samples.len() as f64;
            Ok((samples.at(rank), u8::from(there)))
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
