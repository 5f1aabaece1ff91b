use serde::{Deserialize, Serialize};

use super::MAX_COUNT;
use crate::stats::percentile_rank;

/// Significant digits of a histogram, as the bits of a value that its buckets distinguish: HdrHistogram has the least power
/// of two above twice the power of ten.
pub const THREE_DIGITS: u32 = 11;
/// As `THREE_DIGITS`.
pub const TWO_DIGITS: u32 = 8;

/// Buckets that are counted together. A response time and its neighbours share a page.
const PAGE: usize = 32;

/// A histogram with the buckets of HdrHistogram that holds only pages of them that occur. In a file it is a list of pairs:
/// the lowest value of a bucket, and its count.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct SparseHistogram<const BITS: u32> {
    /// For each page in order of value, one more than its place in `pages`, or 0 if none of its buckets occurs.
    places: Vec<u16>,
    pages: Vec<[u64; PAGE]>,
}

/// The bits of a value that its bucket does not distinguish.
const fn lost_bits<const BITS: u32>(value: u64) -> u32 {
    (u64::BITS - BITS).saturating_sub(value.leading_zeros())
}

/// The number of a value's bucket, in order of value. For each lost bit there are `2^(BITS - 1)` buckets.
const fn bucket_of<const BITS: u32>(value: u64) -> usize {
    let lost = lost_bits::<BITS>(value);
    ((lost as usize) << (BITS - 1)) + (value >> lost) as usize
}

/// The lowest value of a bucket.
const fn lowest_of<const BITS: u32>(bucket: usize) -> u64 {
    let lost = (bucket >> (BITS - 1)).saturating_sub(1);
    ((bucket - (lost << (BITS - 1))) as u64) << lost
}

impl<const BITS: u32> SparseHistogram<BITS> {
    /// Adds a sample.
    pub fn add(&mut self, value: u64) {
        *self.count_at(bucket_of::<BITS>(value)) += 1;
    }

    fn count_at(&mut self, bucket: usize) -> &mut u64 {
        let page = bucket / PAGE;
        if self.places.len() <= page {
            self.places.resize(page + 1, 0);
        }
        let place = &mut self.places[page];
        if *place == 0 {
            self.pages.push([0; PAGE]);
            // With three digits there are at most 1760 pages.
            *place = self.pages.len() as u16;
        }
        &mut self.pages[usize::from(*place) - 1][bucket % PAGE]
    }

    /// Adds the samples of another histogram.
    pub fn merge(&mut self, other: &SparseHistogram<BITS>) {
        for (lowest, count) in other.buckets() {
            *self.count_at(bucket_of::<BITS>(lowest)) += count;
        }
    }

    /// The lowest value of each bucket that occurs and its count, in order of value.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let used = self.places.iter().enumerate().filter(|(_, place)| **place > 0);
        used.flat_map(|(page, place)| {
            let counts = self.pages[usize::from(*place) - 1].iter().enumerate().filter(|(_, count)| **count > 0);
            counts.map(move |(at, count)| (lowest_of::<BITS>(page * PAGE + at), *count))
        })
    }

    /// The greatest value of the bucket of `value`.
    pub fn highest_beside(value: u64) -> u64 {
        let lost = lost_bits::<BITS>(value);
        (value >> lost << lost) + ((1 << lost) - 1)
    }

    /// The number of samples.
    pub fn count(&self) -> u64 {
        self.pages.iter().flatten().sum()
    }

    /// The greatest value of the bucket at `percent` (0 to 100), by the rule of [`percentile_rank`]; `None` without
    /// samples.
    pub fn value_at_percentile(&self, percent: f64) -> Option<u64> {
        let rank = percentile_rank(self.count(), percent);
        let mut seen = 0;
        let at_rank = self.buckets().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        at_rank.map(|(lowest, _)| Self::highest_beside(lowest))
    }
}

impl<const BITS: u32> PartialEq for SparseHistogram<BITS> {
    /// The order of the pages does not matter.
    fn eq(&self, other: &SparseHistogram<BITS>) -> bool {
        self.buckets().eq(other.buckets())
    }
}

impl<const BITS: u32> Eq for SparseHistogram<BITS> {}

/// A list that is not a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a histogram is damaged")]
pub struct DamagedHistogram;

impl<const BITS: u32> TryFrom<Vec<(u64, u64)>> for SparseHistogram<BITS> {
    type Error = DamagedHistogram;

    fn try_from(buckets: Vec<(u64, u64)>) -> Result<Self, DamagedHistogram> {
        let is_bucket = |(lowest, count): &(u64, u64)| {
            let lost = lost_bits::<BITS>(*lowest);
            lowest >> lost << lost == *lowest && (1..=MAX_COUNT).contains(count)
        };
        let is_ordered = buckets.is_sorted_by(|a, b| a.0 < b.0);
        if !is_ordered || !buckets.iter().all(is_bucket) {
            return Err(DamagedHistogram);
        }
        let mut histogram = SparseHistogram::default();
        buckets.into_iter().for_each(|(lowest, count)| *histogram.count_at(bucket_of::<BITS>(lowest)) = count);
        Ok(histogram)
    }
}

impl<const BITS: u32> From<SparseHistogram<BITS>> for Vec<(u64, u64)> {
    fn from(histogram: SparseHistogram<BITS>) -> Vec<(u64, u64)> {
        histogram.buckets().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{LATENCY_RANGE, latency_histogram, value_at_percentile};

    proptest! {
        #[test]
        fn its_buckets_and_percentiles_are_those_of_hdrhistogram(
            values in prop::collection::vec(prop_oneof![0u64..5000, 0..LATENCY_RANGE.1], 1..200),
            percent in 0.0..100.0,
        ) {
            let (mut sparse, mut dense) = (SparseHistogram::<THREE_DIGITS>::default(), latency_histogram());
            for &value in &values {
                sparse.add(value);
                dense.saturating_record(value);
            }
            let buckets: Vec<_> = dense
                .iter_recorded()
                .map(|step| (dense.lowest_equivalent(step.value_iterated_to()), step.count_at_value()))
                .collect();
            prop_assert_eq!(sparse.buckets().collect::<Vec<_>>(), buckets);
            for percent in [0.0, 50.0, 99.0, 100.0, percent] {
                prop_assert_eq!(sparse.value_at_percentile(percent), Some(value_at_percentile(&dense, percent)));
            }
            let json = serde_json::to_string(&sparse).unwrap();
            prop_assert_eq!(serde_json::from_str::<SparseHistogram<THREE_DIGITS>>(&json).unwrap(), sparse);
        }
    }

    #[test]
    fn values_of_two_digits_differ_by_less_than_one_percent() {
        for value in [0, 255, 256, 257, 1_000, 123_456, u64::MAX] {
            let mut histogram = SparseHistogram::<TWO_DIGITS>::default();
            histogram.add(value);
            let greatest = histogram.value_at_percentile(50.0).unwrap();
            assert!(greatest >= value && (greatest - value) as f64 <= value as f64 / 128.0, "{value}: {greatest}");
        }
        assert_eq!(SparseHistogram::<TWO_DIGITS>::default().value_at_percentile(50.0), None);
    }

    #[test]
    fn a_damaged_list_is_an_error() {
        for json in ["[[2,1],[1,1]]", "[[1,1],[1,1]]", "[[257,1]]", "[[1,0]]", "[[1,18446744073709551615]]", "[[1]]"] {
            assert!(serde_json::from_str::<SparseHistogram<TWO_DIGITS>>(json).is_err(), "{json}");
        }
    }
}
