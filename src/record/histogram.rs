//! A histogram as data: the lowest value of each bucket that occurs, and its count.

use hdrhistogram::Histogram;

/// No run has so many requests, so a larger count comes from a damaged file. Sums of counts cannot overflow.
pub const MAX_COUNT: u64 = 1 << 40;

/// The lowest value of each bucket that occurs, and its count, in order of value.
pub type Buckets = Vec<(u64, u64)>;

/// The buckets of a histogram.
pub fn buckets(histogram: &Histogram<u64>) -> Buckets {
    let lowest = |value| histogram.lowest_equivalent(value);
    histogram.iter_recorded().map(|step| (lowest(step.value_iterated_to()), step.count_at_value())).collect()
}

/// The empty `histogram` with these buckets. `None` if they cannot be its buckets.
pub fn fill(mut histogram: Histogram<u64>, buckets: &Buckets) -> Option<Histogram<u64>> {
    for &(value, count) in buckets {
        if value > histogram.high() || count > MAX_COUNT {
            return None;
        }
        histogram.record_n(value, count).ok()?;
    }
    Some(histogram)
}

/// For serde: a histogram of latencies in us.
pub mod latency {
    use super::*;
    use crate::stats::latency_histogram;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(histogram: &Histogram<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        buckets(histogram).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
        fill(latency_histogram(), &Buckets::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("a histogram is damaged"))
    }
}

/// For serde: a histogram of delays in ns.
pub mod lag {
    pub use super::latency::serialize;
    use super::*;
    use crate::stats::lag_histogram;
    use serde::{Deserialize, Deserializer, de};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
        fill(lag_histogram(), &Buckets::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("a histogram is damaged"))
    }
}
