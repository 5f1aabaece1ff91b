//! The metrics of one worker: histograms and counts are updated at once, records are sent on in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hdrhistogram::Histogram;

use super::rate_sampler::RateSampler;
use crate::load::plan::LoadPlan;
use crate::record::sink::RecordSender;
use crate::record::{Account, Latencies, Outcome, RequestRecord};
use crate::stats::{latency_histogram, record_time, value_at_percentile};
use crate::units::{Instant, Time};

/// Counters of a worker that other threads read while it runs. Only the worker writes them, except that a reader takes the
/// send lag.
#[derive(Debug, Default)]
pub struct LiveCounters {
    sent: AtomicU64,
    requests: AtomicU64,
    ended: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    connections: AtomicU64,
    /// In ns, since it was last taken.
    send_lag: AtomicU64,
    over: AtomicBool,
    hurry: AtomicBool,
}

impl LiveCounters {
    /// Attempts assigned to a connection so far. Those that were sent again count each time.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Requests assigned to a connection so far. Retries are not counted.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Attempts in flight.
    pub fn in_flight(&self) -> u64 {
        self.sent().saturating_sub(self.ended.load(Ordering::Relaxed))
    }

    /// Requests that were answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Connections that are up, as of at most 100 ms ago.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn set_connections(&self, up: u64) {
        self.connections.store(up, Ordering::Relaxed);
    }

    /// The worst send lag of the attempts that ended since the last call.
    pub fn take_send_lag(&self) -> Time {
        Time(self.send_lag.swap(0, Ordering::Relaxed))
    }

    /// Shows the counts of a generator in another process: its requests that were sent, and those of them that ended.
    pub(crate) fn show(&self, sent: u64, ended: u64) {
        self.sent.store(sent, Ordering::Relaxed);
        self.requests.store(sent, Ordering::Relaxed);
        self.ended.store(ended, Ordering::Relaxed);
    }

    /// The worker's run is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The user stopped the run twice: steps that take long are skipped.
    pub(crate) fn is_hurried(&self) -> bool {
        self.hurry.load(Ordering::Relaxed)
    }

    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The interval of rates without a warm-up, and so without a calibration.
const DEFAULT_INTERVAL: Time = Time::from_millis(100);

/// The shortest interval of rates, as in wrk2.
const SHORTEST_INTERVAL: Time = Time::from_millis(10);

/// The least number of intervals in the time that is left after the warm-up. In overload the calibrated interval would
/// be longer than that time, and there would be no sample.
const LEAST_INTERVALS: u64 = 10;

/// The interval of rates after wrk2's calibration: twice the 90th percentile of the latency (in us), at least 10 ms; but
/// no longer than a tenth of `left`, the time until the end of arrivals.
fn calibrated_interval(latency: &Histogram<u64>, left: Time) -> Time {
    let interval = Time(value_at_percentile(latency, 90.0)).times(2 * 1000);
    interval.min(Time(left.0 / LEAST_INTERVALS)).max(SHORTEST_INTERVAL)
}

/// The metrics of one worker.
pub struct ThreadMetrics {
    pub account: Account,
    pub latencies: Latencies,
    /// Response times that belong to the warm-up, in us, for wrk2's calibration lines.
    pub calibration: Histogram<u64>,
    pub rates: RateSampler,
    /// Responses up to the end of arrivals, and the bytes read up to then.
    pub in_time: (u64, u64),
    /// Requests due within the warm-up that had not ended at its end.
    pub late_warmup: u64,
    /// Requests that were answered with a status below 400 within the plan's SLO.
    pub good: u64,
    /// The end of the last answer with a status below 400.
    pub last_success: Option<Instant>,
    /// Answered attempts with a kernel timestamp, and those without one.
    pub timestamps: u64,
    pub timestamps_missing: u64,
    pub in_flight: u64,
    pub in_flight_max: u64,
    started: u64,
    slo: Time,
    warmup_end: Instant,
    /// As planned.
    arrivals_end: Instant,
    requests: u64,
    sender: Option<RecordSender>,
    live: Arc<LiveCounters>,
}

impl ThreadMetrics {
    pub fn new(sender: Option<RecordSender>, live: Arc<LiveCounters>, plan: &LoadPlan) -> ThreadMetrics {
        ThreadMetrics {
            account: Account::default(),
            latencies: Latencies::default(),
            calibration: latency_histogram(),
            rates: RateSampler::new(),
            in_time: (0, 0),
            late_warmup: 0,
            good: 0,
            last_success: None,
            timestamps: 0,
            timestamps_missing: 0,
            warmup_end: Instant::START.plus(plan.warmup),
            arrivals_end: Instant::START.plus(plan.duration),
            in_flight: 0,
            in_flight_max: 0,
            started: 0,
            slo: plan.slo.unwrap_or(Time::ZERO),
            requests: 0,
            sender,
            live,
        }
    }

    /// Counts an attempt that is assigned to a connection.
    #[inline]
    pub fn begin_attempt(&mut self, record: &RequestRecord) {
        self.started += 1;
        self.requests += u64::from(record.attempt == 0 && record.resends == 0);
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
        self.live.sent.store(self.started, Ordering::Relaxed);
        self.live.requests.store(self.requests, Ordering::Relaxed);
    }

    /// An attempt is not over: it goes again.
    pub fn withdraw_attempt(&mut self) {
        self.in_flight -= 1;
        self.live.ended.store(self.started - self.in_flight, Ordering::Relaxed);
    }

    /// Records an attempt that is over. Its latency counts only if `is_sample`.
    #[inline]
    pub fn end_attempt(&mut self, record: &RequestRecord, arrivals_end: Instant, is_sample: bool) {
        self.in_flight -= 1;
        self.live.ended.store(self.started - self.in_flight, Ordering::Relaxed);
        if record.end <= arrivals_end {
            // The bytes of an incomplete response count too.
            self.in_time.1 += record.bytes;
            if record.outcome() == Some(Outcome::Answered) {
                self.in_time.0 += 1;
                // In the order in which they were read.
                self.rates.count_response(record.seen.min(arrivals_end));
            }
        }
        if record.outcome() == Some(Outcome::Answered) {
            let has_timestamp = record.wakeup_latency().is_some();
            self.timestamps += u64::from(has_timestamp);
            self.timestamps_missing += u64::from(!has_timestamp);
        }
        self.add(record, is_sample);
        self.live.answered.store(self.account.answered, Ordering::Relaxed);
        self.live.failed.store(self.account.failed, Ordering::Relaxed);
        if let Some(lag) = record.send_lag().filter(|lag| lag.0 > self.live.send_lag.load(Ordering::Relaxed)) {
            self.live.send_lag.store(lag.0, Ordering::Relaxed);
        }
        if let Some(sender) = &mut self.sender {
            sender.push(record);
        }
    }

    /// Records a request that is not finished at the end of the run.
    pub fn add_unfinished(&mut self, record: &RequestRecord, is_sample: bool) {
        self.in_time.1 += record.bytes;
        self.add(record, is_sample);
        if let Some(sender) = &mut self.sender {
            sender.push_blocking(record);
        }
    }

    /// Records of requests that were never sent are needed, not only their number.
    pub fn needs_unsent(&self) -> bool {
        self.sender.as_ref().is_some_and(RecordSender::needs_unsent)
    }

    /// Counts `count` requests that were never sent, with waits as that of `record`: see [`Latencies::equal_until`]. They
    /// have no records.
    pub fn add_unsent(&mut self, record: &RequestRecord, count: u64) {
        self.account.add_unsent(count);
        if record.due < self.warmup_end && record.end > self.warmup_end {
            self.late_warmup += count;
        }
        self.latencies.add_unsent(record, count);
        if let Some(sender) = self.sender.as_mut().filter(|sender| sender.needs_unsent()) {
            sender.leave_out(count);
        }
    }

    #[inline]
    fn add(&mut self, record: &RequestRecord, is_sample: bool) {
        self.account.add(record);
        if record.is_success() {
            self.last_success = self.last_success.max(Some(record.end));
            self.good += u64::from(record.is_last() && record.end.since(record.due) <= self.slo);
        }
        self.late_warmup += u64::from(record.due < self.warmup_end && record.is_last() && record.end > self.warmup_end);
        if !is_sample {
            return;
        }
        if !record.is_warmup() {
            self.latencies.add(record);
        } else if let Some(response) = record.answer_time() {
            record_time(&mut self.calibration, response);
        }
    }

    /// Sends on the records so far, so that their consumers stay up to date, and starts to count rates after the warm-up.
    pub fn maintain(&mut self, now: Instant) {
        if let Some(sender) = &mut self.sender {
            sender.flush();
        }
        if self.rates.interval() == Time::ZERO && now >= self.warmup_end {
            let interval = if self.warmup_end == Instant::START {
                DEFAULT_INTERVAL
            } else {
                calibrated_interval(&self.calibration, self.arrivals_end.since(now))
            };
            // From now on, not from the end of the warm-up: responses in between were not counted.
            self.rates.start(now, interval);
        }
    }

    pub fn live(&self) -> &LiveCounters {
        &self.live
    }

    /// The end of the warm-up.
    pub fn warmup_end(&self) -> Instant {
        self.warmup_end
    }

    /// Sends on the remaining records. Returns how many were dropped during the run because the queue was full.
    pub fn finish(&mut self) -> u64 {
        self.sender.take().map_or(0, |mut sender| sender.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadSettings;

    /// A load with a warm-up of `warmup` s that lasts for `duration` s.
    fn plan(warmup: u64, duration: u64) -> LoadPlan {
        let (warmup, duration) = (Time::from_secs(warmup), Time::from_secs(duration));
        LoadPlan::new(LoadSettings { warmup, duration, ..LoadSettings::new("http://h/", 100.0) }).unwrap()
    }

    #[test]
    fn rates_are_counted_from_the_first_maintenance_after_the_warm_up() {
        let (warmup_end, first, end) = (Instant(10_000_000_000), Instant(10_090_000_000), Instant(11_000_000_000));
        let mut metrics = ThreadMetrics::new(None, Arc::default(), &plan(10, 11));
        metrics.maintain(warmup_end.minus(Time(1)));
        metrics.maintain(first);
        (first.0..end.0).step_by(1_000_000).for_each(|at| metrics.rates.count_response(Instant(at)));
        metrics.rates.advance(end);
        let rates: Vec<_> = metrics.rates.rates().collect();
        assert_eq!(rates, [(1000.0, 91)], "no interval is empty");
    }

    #[test]
    fn the_interval_of_rates_follows_from_the_latency_and_fits_into_the_rest_of_the_run() {
        let interval_after = |latency: Time| {
            let mut metrics = ThreadMetrics::new(None, Arc::default(), &plan(10, 15));
            let mut record = RequestRecord::planned(0, Instant(0), 0);
            record.end = Instant::START.plus(latency);
            record.set_outcome(Outcome::Answered);
            record.set_last(true);
            record.set_warmup(true);
            metrics.add(&record, true);
            metrics.maintain(Instant(10_000_000_000));
            metrics.rates.interval()
        };
        assert_eq!(interval_after(Time(60_000)), Time::from_millis(10));
        assert_eq!(interval_after(Time::from_millis(100)), Time(200_062_000), "three digits of twice the latency");
        assert_eq!(interval_after(Time::from_secs(5)), Time::from_millis(500), "a tenth of the last 5 s");
    }
}
