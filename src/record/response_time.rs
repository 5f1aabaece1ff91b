use std::fmt;

use super::Latencies;
use crate::stats::value_at_percentile;
use crate::units::{Time, format_wrk_time};

/// A percentile of the response times of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseTime {
    /// The response time, in whole microseconds.
    pub time: Time,
    /// The true value is at least `time`: some requests were never answered, so how long they would have taken is unknown.
    pub is_lower_bound: bool,
}

impl fmt::Display for ResponseTime {
    /// `1.37ms`, or `>= 2.00s` if it is a lower bound.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = if self.is_lower_bound { ">= " } else { "" };
        f.pad(&format!("{bound}{}", format_wrk_time(self.time.0 as f64 / 1e3)))
    }
}

impl Latencies {
    /// The response time at `percent` (0 to 100; 100 is the greatest), by [`percentile_rank`](crate::stats::percentile_rank).
    /// `None` without samples.
    pub fn response_time(&self, percent: f64) -> Option<ResponseTime> {
        let [is_lower_bound] = self.lower_bounds.are_bounds(&self.response, [percent]);
        let time = Time(value_at_percentile(&self.response, percent)).times(1000);
        (!self.response.is_empty()).then_some(ResponseTime { time, is_lower_bound })
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Latencies, Outcome, RequestRecord};
    use crate::units::Instant;

    #[test]
    fn a_percentile_says_whether_it_is_a_lower_bound() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.response_time(50.0), None);
        for (outcome, end) in [(Outcome::Answered, 1_370_000), (Outcome::Unanswered, 2_000_000_000)] {
            let mut record = RequestRecord::planned(0, Instant::START, 0);
            record.end = Instant(end);
            record.set_outcome(outcome);
            record.set_last(true);
            latencies.add(&record);
        }
        let text = |percent| latencies.response_time(percent).unwrap().to_string();
        assert_eq!([text(50.0), text(100.0)], ["1.37ms", ">= 2.00s"]);
    }
}
