//! The sums over a run's records that all products share, computed in one pass.

use super::ReportData;
use crate::record::{Account, Latencies, Outcome, RequestRecord};
use crate::stats::Moments;
use crate::units::Instant;

/// Counts and histograms of a run. Histograms exclude the warm-up; counts include it.
#[derive(Clone, Debug)]
pub struct RunStatistics {
    pub account: Account,
    /// Response times, service times and send lag of the requests after the warm-up.
    pub latencies: Latencies,
    /// Requests that were sent before the end of arrivals, and those whose connection was refused.
    pub sent: u64,
    /// Answers that arrived before the end of arrivals: wrk's count of requests.
    pub answered_in_time: u64,
    /// Bytes of these answers.
    pub bytes_in_time: u64,
    /// Answers per second of one thread.
    pub req_per_sec: Moments,
    /// The last instant of the records, samples and faults: the end of the time axis.
    pub last_instant: Instant,
}

impl RunStatistics {
    pub fn of(data: &ReportData) -> RunStatistics {
        let mut statistics = RunStatistics {
            account: Account::default(),
            latencies: Latencies::default(),
            sent: 0,
            answered_in_time: 0,
            bytes_in_time: 0,
            req_per_sec: Moments::default(),
            last_instant: last_instant(data),
        };
        let mut rates = ThreadRates::new(data);
        for r in &data.requests {
            statistics.account.add(r);
            if r.due >= data.warmup_end {
                statistics.latencies.add(r);
            }
            let in_time = |at: Instant| at.known().is_some_and(|at| at <= data.arrivals_end);
            let refused = r.outcome() == Some(Outcome::ConnectError);
            statistics.sent += u64::from(r.is_last() && (r.attempt > 0 || refused || in_time(r.sent)));
            if r.outcome() == Some(Outcome::Answered) && in_time(r.end) {
                statistics.answered_in_time += 1;
                statistics.bytes_in_time = statistics.bytes_in_time.saturating_add(r.bytes);
                rates.add(r);
            }
        }
        statistics.req_per_sec = Moments::of(&rates.counts);
        statistics
    }
}

/// Answers in each second of each thread, in whole seconds after the warm-up.
struct ThreadRates {
    first_second: u64,
    seconds: usize,
    counts: Vec<f64>,
}

const SECOND: u64 = 1_000_000_000;

/// A day with 1024 threads, the largest plan, stays below this limit. A damaged file may exceed it.
const MAX_COUNTS: usize = 100_000_000;

impl ThreadRates {
    fn new(data: &ReportData) -> ThreadRates {
        let first_second = data.warmup_end.0.div_ceil(SECOND);
        let seconds = (data.arrivals_end.0 / SECOND).saturating_sub(first_second) as usize;
        let size = seconds.saturating_mul(usize::from(data.threads));
        let seconds = if size > MAX_COUNTS { 0 } else { seconds };
        ThreadRates { first_second, seconds, counts: vec![0.0; seconds * usize::from(data.threads)] }
    }

    fn add(&mut self, r: &RequestRecord) {
        let Some(second) = (r.end.0 / SECOND).checked_sub(self.first_second).map(|s| s as usize) else { return };
        if second < self.seconds
            && let Some(count) = self.counts.get_mut(usize::from(r.thread) * self.seconds + second)
        {
            *count += 1.0;
        }
    }
}

/// An experiment has at most a day of arrivals, and any run at most a day of draining. A later instant comes from a damaged
/// record.
const LATEST: Instant = Instant(48 * 3600 * SECOND);

fn last_instant(data: &ReportData) -> Instant {
    let of_requests = data.requests.iter().filter_map(|r| r.end.known());
    let of_samples = data.samples.iter().map(|s| s.at);
    let of_faults = data.faults.iter().filter_map(|f| f.to);
    let at_least = [data.arrivals_end, Instant(SECOND)];
    of_requests
        .chain(of_samples)
        .chain(of_faults)
        .chain(at_least)
        .fold(Instant::START, Instant::max)
        .min(LATEST.max(data.arrivals_end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::synthetic;
    use crate::units::Time;

    /// Due at `due` s, sent at once, answered after `took` ms.
    fn answered(request: u64, due: f64, took: u64) -> RequestRecord {
        let mut r = RequestRecord::planned(request, Instant((due * 1e9) as u64), 0);
        (r.ready, r.sent, r.end) = (r.due, r.due.plus(Time(1000)), r.due.plus(Time::from_millis(took)));
        r.set_outcome(Outcome::Answered);
        (r.status, r.bytes) = (200, 100);
        r.set_last(true);
        r
    }

    fn run_of(requests: Vec<RequestRecord>) -> ReportData {
        ReportData { arrivals_end: Instant(4 * SECOND), warmup_end: Instant(SECOND), requests, ..synthetic::empty() }
    }

    #[test]
    fn the_warm_up_is_counted_and_excluded_from_latencies() {
        let s = RunStatistics::of(&run_of(vec![answered(0, 0.5, 10), answered(1, 1.5, 20), answered(2, 2.5, 30)]));
        assert_eq!((s.account.scheduled, s.answered_in_time, s.bytes_in_time, s.sent), (3, 3, 300, 3));
        assert_eq!((s.latencies.response.len(), s.latencies.service.len(), s.latencies.send_lag.len()), (2, 2, 2));
        assert!(
            s.latencies.response.equivalent(s.latencies.response.max(), 30_000)
                && s.latencies.response.equivalent(s.latencies.response.min(), 20_000)
        );
        assert_eq!((s.req_per_sec.mean, s.req_per_sec.max), (2.0 / 3.0, 1.0));
    }

    #[test]
    fn lower_bounds_are_response_times_and_never_service_times() {
        let mut cut = answered(0, 2.0, 5_000);
        cut.set_outcome(Outcome::Unanswered);
        let mut broken = answered(1, 2.0, 50);
        broken.set_outcome(Outcome::ReadError);
        let s = RunStatistics::of(&run_of(vec![cut, broken]));
        assert_eq!(
            (s.latencies.response.len(), s.latencies.lower_bounds.count(), s.latencies.service.len()),
            (1, 1, 0)
        );
        assert_eq!((s.last_instant, s.answered_in_time), (Instant(7 * SECOND), 0));
    }

    #[test]
    fn a_request_whose_connection_is_refused_counts_as_sent() {
        let mut refused = answered(0, 2.0, 1);
        refused.set_outcome(Outcome::ConnectError);
        refused.sent = Instant::NEVER;
        assert_eq!(RunStatistics::of(&run_of(vec![refused])).sent, 1);
        refused.set_outcome(Outcome::Unsent);
        assert_eq!(RunStatistics::of(&run_of(vec![refused])).sent, 0);
    }
}
