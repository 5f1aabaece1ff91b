//! Which of the reported response times are only lower bounds.

use serde::{Deserialize, Serialize};

use crate::record::Latencies;
use crate::stats::{ratio, value_at_percentile};
use crate::units::format_wrk_time;

/// The percentiles of the reports: the key in JSON, the name in text, and the percent.
const PERCENTILES: [(&str, &str, f64); 9] = [
    ("p50", "p50", 50.0),
    ("p75", "p75", 75.0),
    ("p90", "p90", 90.0),
    ("p95", "p95", 95.0),
    ("p99", "p99", 99.0),
    ("p99_9", "p99.9", 99.9),
    ("p99_99", "p99.99", 99.99),
    ("p99_999", "p99.999", 99.999),
    ("max", "max", 100.0),
];

/// The lower bounds among the response times, and the reported values that are lower bounds because of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseBounds {
    pub summary: BoundsSummary,
    /// The share of the response times that are lower bounds, in percent.
    pub percent: f64,
    /// The percentiles that are lower bounds, as text: `p99 1.23s`.
    pub texts: Vec<String>,
}

/// The same, for programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundsSummary {
    /// How many response times in the histogram are lower bounds.
    pub count: u64,
    /// Percentiles above this one are lower bounds. 100 if there is none.
    pub exact_up_to_percent: f64,
    /// The keys of `response` whose values are lower bounds. (The standard deviation is not a bound in either direction.)
    pub at_least: Vec<String>,
}

impl Default for BoundsSummary {
    fn default() -> BoundsSummary {
        BoundsSummary { count: 0, exact_up_to_percent: 100.0, at_least: Vec::new() }
    }
}

impl ResponseBounds {
    pub fn of(latencies: &Latencies) -> ResponseBounds {
        let (histogram, bounds) = (&latencies.response, &latencies.lower_bounds);
        let is_bound = bounds.are_bounds(histogram, PERCENTILES.map(|(_, _, percent)| percent));
        let marked = || PERCENTILES.iter().zip(is_bound).filter(|(_, is_bound)| *is_bound).map(|(of, _)| of);
        let exact_up_to_percent = bounds.exact_percent(histogram);
        let min = (exact_up_to_percent == 0.0).then_some("min");
        let mean = (bounds.count() > 0).then_some("mean");
        ResponseBounds {
            summary: BoundsSummary {
                count: bounds.count(),
                exact_up_to_percent,
                at_least: mean
                    .into_iter()
                    .chain(min)
                    .chain(marked().map(|(key, _, _)| *key))
                    .map(str::to_owned)
                    .collect(),
            },
            percent: 100.0 * ratio(bounds.count() as f64, histogram.len() as f64),
            texts: marked()
                .map(|(_, name, percent)| {
                    format!("{name} {}", format_wrk_time(value_at_percentile(histogram, *percent) as f64))
                })
                .collect(),
        }
    }

    /// Which percentiles are lower bounds: `the percentiles above 98.7 %`.
    pub fn which_percentiles(&self) -> String {
        let exact = self.summary.exact_up_to_percent;
        if exact == 0.0 {
            return "all percentiles".to_owned();
        }
        // Rounded down: a percentile that is a bound must not look exact.
        let scale = if exact < 99.0 { 10.0 } else { 1000.0 };
        format!("the percentiles above {} %", (exact * scale).floor() / scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, RequestRecord};
    use crate::units::{Instant, Time};

    /// 10,000 requests with response times of 1 to 10,000 ms, of which `bounds` were not answered.
    fn latencies(bounds: std::ops::Range<u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for ms in 1..=10_000 {
            let mut record = RequestRecord::planned(ms, Instant::START, 0);
            (record.sent, record.end) = (Instant::START, Instant::START.plus(Time::from_millis(ms)));
            record.set_outcome(if bounds.contains(&ms) { Outcome::Unanswered } else { Outcome::Answered });
            record.set_last(true);
            latencies.add(&record);
        }
        latencies
    }

    #[test]
    fn values_above_the_least_bound_are_marked() {
        let bounds = ResponseBounds::of(&latencies(9_951..10_001));
        let BoundsSummary { count, exact_up_to_percent, at_least } = &bounds.summary;
        assert_eq!((*count, bounds.percent, *exact_up_to_percent), (50, 0.5, 99.5));
        assert_eq!(*at_least, ["mean", "p99_9", "p99_99", "p99_999", "max"]);
        assert_eq!(bounds.texts, ["p99.9 9.99s", "p99.99 10.00s", "p99.999 10.00s", "max 10.00s"]);
        assert_eq!(bounds.which_percentiles(), "the percentiles above 99.5 %");

        // 1 % of the samples, but they are low in the distribution.
        let bounds = ResponseBounds::of(&latencies(4_000..4_100));
        assert_eq!((bounds.summary.count, bounds.percent), (100, 1.0));
        assert_eq!(
            bounds.summary.at_least,
            ["mean", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "p99_999", "max"]
        );
        assert_eq!(bounds.which_percentiles(), "the percentiles above 39.9 %");
    }

    #[test]
    fn without_bounds_nothing_is_marked_and_with_nothing_else_everything_is() {
        assert_eq!(ResponseBounds::of(&latencies(0..0)), ResponseBounds::default());
        assert_eq!(ResponseBounds::of(&Latencies::default()), ResponseBounds::default());
        let all = ResponseBounds::of(&latencies(0..10_001));
        assert_eq!((all.which_percentiles().as_str(), all.percent), ("all percentiles", 100.0));
        assert_eq!(all.summary.at_least[..3], ["mean", "min", "p50"]);
    }
}
