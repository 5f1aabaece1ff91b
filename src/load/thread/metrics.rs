//! What one thread remembers of its attempts: histograms and counts at once, records in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hdrhistogram::Histogram;

use super::rate_sampler::RateSampler;
use crate::record::sink::RecordSender;
use crate::record::{Account, Latencies, Outcome, RequestRecord};
use crate::stats::{latency_histogram, record_time, value_at_percentile};
use crate::units::{Instant, Time};

/// What others may read of a thread while it runs. Written by that thread alone.
#[derive(Debug, Default)]
pub struct LiveCounters {
    sent: AtomicU64,
    requests: AtomicU64,
    ended: AtomicU64,
    over: AtomicBool,
}

impl LiveCounters {
    /// Attempts that a connection has taken on so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Requests that a connection has taken on so far, each counted once.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Attempts under way.
    pub fn in_flight(&self) -> u64 {
        self.sent().saturating_sub(self.ended.load(Ordering::Relaxed))
    }

    /// The thread's run is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// How long rates are counted for at a time where no warm-up says anything better.
const UNCALIBRATED: Time = Time::from_millis(100);

/// wrk2's interval after calibration: twice the 90th percentile of the latency, at least 10 ms.
pub fn calibrated_interval(latency: &Histogram<u64>) -> Time {
    Time((value_at_percentile(latency, 90.0) * 2).max(10_000) * 1000)
}

/// One thread's memory.
pub struct ThreadMetrics {
    pub account: Account,
    pub latencies: Latencies,
    /// Latencies of the warm-up, for wrk2's calibration lines.
    pub calibration: Histogram<u64>,
    pub rates: RateSampler,
    /// Responses that arrived before the end of arrivals, and all bytes that were read.
    pub in_time: (u64, u64),
    /// Requests due within the warm-up that were still open at its end.
    pub late_warmup: u64,
    pub in_flight: u64,
    pub in_flight_max: u64,
    started: u64,
    warmup: Instant,
    requests: u64,
    sender: Option<RecordSender>,
    live: Arc<LiveCounters>,
}

impl ThreadMetrics {
    pub fn new(sender: Option<RecordSender>, live: Arc<LiveCounters>, warmup: Instant) -> ThreadMetrics {
        ThreadMetrics {
            account: Account::default(),
            latencies: Latencies::default(),
            calibration: latency_histogram(),
            rates: RateSampler::new(),
            in_time: (0, 0),
            late_warmup: 0,
            warmup,
            in_flight: 0,
            in_flight_max: 0,
            started: 0,
            requests: 0,
            sender,
            live,
        }
    }

    /// A connection has taken on an attempt.
    #[inline]
    pub fn begin(&mut self, record: &RequestRecord) {
        self.started += 1;
        self.requests += u64::from(record.attempt == 0);
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
        self.live.sent.store(self.started, Ordering::Relaxed);
        self.live.requests.store(self.requests, Ordering::Relaxed);
    }

    /// An attempt that a connection had is over. Its latency is a sample, or it stands for none.
    #[inline]
    pub fn end(&mut self, record: &RequestRecord, until: Instant, is_sample: bool) {
        self.in_flight -= 1;
        self.live.ended.store(self.started - self.in_flight, Ordering::Relaxed);
        if record.end <= until {
            // What was read of an answer that never became whole was read all the same.
            self.in_time.1 += record.bytes;
            if record.outcome() == Some(Outcome::Answered) {
                self.in_time.0 += 1;
                self.rates.count(record.end);
            }
        }
        self.add(record, is_sample);
        if let Some(sender) = &mut self.sender {
            sender.push(record);
        }
    }

    /// After the run: an attempt that nothing came of.
    pub fn leave(&mut self, record: &RequestRecord, is_sample: bool) {
        self.in_time.1 += record.bytes;
        self.add(record, is_sample);
        if let Some(sender) = &mut self.sender {
            sender.push_blocking(record);
        }
    }

    #[inline]
    fn add(&mut self, record: &RequestRecord, is_sample: bool) {
        self.account.add(record);
        self.late_warmup += u64::from(record.is_warmup() && record.is_last() && record.end > self.warmup);
        if !is_sample {
            return;
        }
        if !record.is_warmup() {
            self.latencies.add(record);
        } else if let Some(response) = record.answer_time() {
            record_time(&mut self.calibration, response);
        }
    }

    /// Hands over what is there, so that a listener is never long behind; begins to count rates after the warm-up.
    pub fn upkeep(&mut self, now: Instant, warmup: Instant) {
        if let Some(sender) = &mut self.sender {
            sender.flush();
        }
        if self.rates.interval() == Time::ZERO && now >= warmup {
            let interval = if warmup == Instant::START { UNCALIBRATED } else { calibrated_interval(&self.calibration) };
            // From now on, not from the end of the warm-up: what came in between was not counted.
            self.rates.start(now, interval);
        }
    }

    /// Hands over the rest; says how many records found no room during the run.
    pub fn finish(&mut self) -> u64 {
        self.sender.take().map_or(0, |mut sender| sender.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_counted_from_the_moment_that_they_can_be() {
        let mut log = ThreadMetrics::new(None, Arc::default(), Instant::START);
        let (warmup, looked, until) = (Instant(10_000_000_000), Instant(10_090_000_000), Instant(11_000_000_000));
        log.upkeep(warmup.minus(Time(1)), warmup);
        log.upkeep(looked, warmup);
        (looked.0..until.0).step_by(1_000_000).for_each(|at| log.rates.count(Instant(at)));
        log.rates.pass(until);
        let rates: Vec<_> = log.rates.rates().collect();
        assert_eq!(rates, [(1000.0, 91)], "no interval is empty");
    }
}
