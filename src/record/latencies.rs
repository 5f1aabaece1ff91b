use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{LowerBounds, RequestRecord, histogram};
use crate::stats::{lag_histogram, latency_histogram, record_time};
use crate::units::{Instant, Time};

/// The latency histograms of a run. What belongs to the warm-up is left out of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latencies {
    /// Response times (end - due) in us, corrected for coordinated omission: [`RequestRecord::response_sample`].
    #[serde(with = "histogram::latency")]
    pub response: Histogram<u64>,
    /// The response times that are only lower bounds.
    pub lower_bounds: LowerBounds,
    /// Service times (end - sent) in us: [`RequestRecord::service_sample`].
    #[serde(with = "histogram::latency")]
    pub service: Histogram<u64>,
    /// Send lag (sent - ready) in ns: [`RequestRecord::send_lag`].
    #[serde(with = "histogram::lag")]
    pub send_lag: Histogram<u64>,
    /// Wake-up latency (seen - end) in ns: [`RequestRecord::wakeup_latency`].
    #[serde(with = "histogram::lag")]
    pub wakeup: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            response: latency_histogram(),
            lower_bounds: LowerBounds::default(),
            service: latency_histogram(),
            send_lag: lag_histogram(),
            wakeup: lag_histogram(),
        }
    }
}

impl Latencies {
    /// Adds an attempt to each histogram that it has a sample for.
    #[inline]
    pub fn add(&mut self, record: &RequestRecord) {
        if record.is_warmup() {
            return;
        }
        if let Some(lag) = record.send_lag() {
            self.send_lag.saturating_record(lag.0);
        }
        if let Some(latency) = record.wakeup_latency() {
            self.wakeup.saturating_record(latency.0);
        }
        if let Some(service) = record.service_sample() {
            record_time(&mut self.service, service);
        }
        if let Some(response) = record.response_sample() {
            record_time(&mut self.response, response);
            if record.is_lower_bound() {
                self.lower_bounds.add(&self.response, response.round_to_us(), 1);
            }
        }
    }

    /// Adds `count` requests that were never sent. Their waits are equal to that of `record` for the histogram: see
    /// [`Latencies::equal_until`].
    pub fn add_unsent(&mut self, record: &RequestRecord, count: u64) {
        if let Some(wait) = record.response_sample().filter(|_| !record.is_warmup()) {
            self.response.saturating_record_n(wait.round_to_us(), count);
            self.lower_bounds.add(&self.response, wait.round_to_us(), count);
        }
    }

    /// Requests that are due before this instant, and not before `record`, have the same wait as it for the histogram if
    /// they end when it does.
    pub fn equal_until(&self, record: &RequestRecord) -> Instant {
        let wait = record.end.since(record.due).round_to_us().min(self.response.high());
        let least = Time((self.response.lowest_equivalent(wait) * 1000).saturating_sub(500));
        record.end.minus(least).plus(Time(1))
    }

    /// Adds the histograms of another thread.
    pub fn merge(&mut self, other: &Latencies) {
        // All histograms of a kind have the same bounds: no value is out of range.
        self.response += &other.response;
        self.lower_bounds.merge(&other.lower_bounds);
        self.service += &other.service;
        self.send_lag += &other.send_lag;
        self.wakeup += &other.wakeup;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;
    use crate::units::{Instant, Time};

    /// Due at 1 ms, ready at 2 ms, sent at 3 ms, ended at 7 ms.
    fn record(outcome: Outcome, last: bool) -> RequestRecord {
        let mut record = RequestRecord::planned(0, Instant(1_000_000), 0);
        (record.ready, record.end) = (Instant(2_000_000), Instant(7_000_000));
        if outcome != Outcome::Unsent && outcome != Outcome::ConnectError {
            record.sent = Instant(3_000_000);
        }
        record.set_outcome(outcome);
        record.set_last(last);
        record
    }

    #[test]
    fn each_outcome_has_the_samples_that_its_histograms_hold() {
        let (response, service, lag) = (Some(Time(6_000_000)), Some(Time(4_000_000)), Some(Time(1_000_000)));
        for (outcome, samples) in [
            (Outcome::Answered, (response, service, lag)),
            (Outcome::ConnectError, (None, None, None)),
            (Outcome::ReadError, (None, None, lag)),
            (Outcome::WriteError, (None, None, lag)),
            (Outcome::Abandoned, (response, None, lag)),
            (Outcome::Unanswered, (response, None, lag)),
            (Outcome::Unsent, (response, None, None)),
        ] {
            let last = record(outcome, true);
            assert_eq!((last.response_sample(), last.service_sample(), last.send_lag()), samples, "{outcome:?}");
            assert_eq!(last.answer_time().is_some(), outcome == Outcome::Answered);
            let retried = record(outcome, false);
            let samples = (None, samples.1, samples.2);
            assert_eq!((retried.response_sample(), retried.service_sample(), retried.send_lag()), samples);
            assert_eq!(retried.answer_time(), None);

            let mut latencies = Latencies::default();
            latencies.add(&retried);
            latencies.add(&last);
            let count = |sample: Option<Time>| u64::from(sample.is_some());
            assert_eq!(latencies.response.len(), count(last.response_sample()));
            assert_eq!(latencies.service.len(), 2 * count(last.service_sample()));
            assert_eq!(latencies.send_lag.len(), 2 * count(last.send_lag()));
        }
    }

    proptest::proptest! {
        /// The waits of requests that are counted together are equal for the histogram to each of them alone.
        #[test]
        fn unsent_requests_are_added_together_as_one_by_one(gap in 1..200_000_000u64, end in 1..10_000_000_000_000u64) {
            let unsent = |n: u64| {
                let mut record = record(Outcome::Unsent, true);
                (record.due, record.end) = (Instant(n * gap), Instant(end));
                record
            };
            let (mut alone, mut together) = (Latencies::default(), Latencies::default());
            let all = (end / gap + 1).min(5000);
            (0..all).for_each(|n| alone.add(&unsent(n)));
            let mut n = 0;
            while n < all {
                let until = together.equal_until(&unsent(n));
                proptest::prop_assert!(until > Instant(n * gap));
                let next = until.0.div_ceil(gap).min(all);
                together.add_unsent(&unsent(n), next - n);
                n = next;
            }
            proptest::prop_assert_eq!(alone.response, together.response);
            proptest::prop_assert_eq!(alone.lower_bounds.count(), all);
            proptest::prop_assert_eq!(alone.lower_bounds, together.lower_bounds);
        }
    }

    #[test]
    fn the_warm_up_is_in_no_histogram() {
        let mut warmup = record(Outcome::Answered, true);
        warmup.set_warmup(true);
        let mut latencies = Latencies::default();
        latencies.add(&warmup);
        assert!(latencies.response.is_empty() && latencies.service.is_empty() && latencies.send_lag.is_empty());
    }

    #[test]
    fn only_a_response_that_was_read_after_its_timestamp_has_a_wakeup_latency() {
        let mut answered = record(Outcome::Answered, true);
        let mut latencies = Latencies::default();
        for (seen, sample) in [(Instant::NEVER, None), (answered.end, None), (Instant(7_040_000), Some(Time(40_000)))] {
            answered.seen = seen;
            latencies.add(&answered);
            assert_eq!(answered.wakeup_latency(), sample);
        }
        assert_eq!(latencies.wakeup.len(), 1);
        assert_eq!(latencies.response.count_at(6000), 3, "the response time ends with the timestamp");
    }
}
