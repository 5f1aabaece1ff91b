use hdrhistogram::Histogram;

use super::{LowerBounds, RequestRecord};
use crate::stats::{lag_histogram, latency_histogram, record_time};

/// The three latency histograms of a run. What belongs to the warm-up is left out of all three.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Response times (end - due) in us, corrected for coordinated omission: [`RequestRecord::response_sample`].
    pub response: Histogram<u64>,
    /// The response times that are only lower bounds.
    pub lower_bounds: LowerBounds,
    /// Service times (end - sent) in us: [`RequestRecord::service_sample`].
    pub service: Histogram<u64>,
    /// Send lag (sent - ready) in ns: [`RequestRecord::send_lag`].
    pub send_lag: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            response: latency_histogram(),
            lower_bounds: LowerBounds::default(),
            service: latency_histogram(),
            send_lag: lag_histogram(),
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
        if let Some(service) = record.service_sample() {
            record_time(&mut self.service, service);
        }
        if let Some(response) = record.response_sample() {
            record_time(&mut self.response, response);
            if record.is_lower_bound() {
                self.lower_bounds.add(&self.response, response.round_to_us());
            }
        }
    }

    /// Adds the histograms of another thread.
    pub fn merge(&mut self, other: &Latencies) {
        // All histograms of a kind have the same bounds: no value is out of range.
        self.response += &other.response;
        self.lower_bounds.merge(&other.lower_bounds);
        self.service += &other.service;
        self.send_lag += &other.send_lag;
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

    #[test]
    fn the_warm_up_is_in_no_histogram() {
        let mut warmup = record(Outcome::Answered, true);
        warmup.set_warmup(true);
        let mut latencies = Latencies::default();
        latencies.add(&warmup);
        assert!(latencies.response.is_empty() && latencies.service.is_empty() && latencies.send_lag.is_empty());
    }
}
