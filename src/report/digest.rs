//! One pass over a run's records, for all products: what became of the requests, and how long they took.

use hdrhistogram::Histogram;

use super::ReportData;
use crate::record::{Account, Latencies, Outcome, RequestRecord};
use crate::stats::{self, Moments};
use crate::units::Instant;

/// The sums of a [`ReportData`]. Histograms leave the warm-up out; counts leave out nothing.
#[derive(Clone, Debug)]
pub struct Digest {
    pub account: Account,
    /// Response times in us, by last attempts: of answers, and the lower bounds of those cut short.
    pub response: Histogram<u64>,
    /// How many values of `response` are lower bounds.
    pub response_lower_bounds: u64,
    /// Service times of answered attempts, in us.
    pub service: Histogram<u64>,
    /// Send lag of the attempts that were sent, in ns.
    pub lag: Histogram<u64>,
    /// Requests that were sent before arrivals ended, or would have been, had they found a server to connect to.
    pub sent: u64,
    /// Answers that arrived before arrivals ended: wrk's count.
    pub answered_in_time: u64,
    /// Bytes of those.
    pub bytes_in_time: u64,
    /// Of the answers in one second of one thread.
    pub req_per_sec: Moments,
    /// The last instant of the run that anything tells of: the time axis goes so far.
    pub span: u64,
}

impl Digest {
    pub fn of(story: &ReportData) -> Digest {
        let mut d = Digest {
            account: Account::default(),
            response: stats::latency_histogram(),
            response_lower_bounds: 0,
            service: stats::latency_histogram(),
            lag: stats::lag_histogram(),
            sent: 0,
            answered_in_time: 0,
            bytes_in_time: 0,
            req_per_sec: Moments::default(),
            span: last_instant(story),
        };
        let (mut latencies, mut rates) = (Latencies::default(), Rates::new(story));
        for r in &story.requests {
            d.account.add(r);
            if r.due.0 >= story.warmup {
                latencies.add(r);
                let is_bound = r.is_lower_bound() && !r.is_warmup() && r.response_sample().is_some();
                d.response_lower_bounds += u64::from(is_bound);
            }
            let on_time = |at: Instant| at.known().is_some_and(|at| at.0 <= story.end);
            let refused = r.outcome() == Some(Outcome::ConnectError);
            d.sent += u64::from(r.is_last() && (r.attempt > 0 || refused || on_time(r.sent)));
            if r.outcome() == Some(Outcome::Answered) && on_time(r.end) {
                d.answered_in_time += 1;
                d.bytes_in_time = d.bytes_in_time.saturating_add(r.bytes);
                rates.add(r);
            }
        }
        (d.response, d.service, d.lag) = (latencies.response, latencies.service, latencies.send_lag);
        d.req_per_sec = Moments::of(&rates.samples());
        d
    }
}

/// Answers a second, thread by thread, whole seconds after the warm-up only.
struct Rates {
    first: u64,
    seconds: usize,
    counts: Vec<f64>,
}

const SECOND: u64 = 1_000_000_000;

/// A run takes a day at most, and plans have at most 1024 threads; a damaged file could say anything.
const MOST_RATES: usize = 100_000_000;

impl Rates {
    fn new(story: &ReportData) -> Rates {
        let first = story.warmup.div_ceil(SECOND);
        let seconds = (story.end / SECOND).saturating_sub(first) as usize;
        let size = seconds.saturating_mul(usize::from(story.threads));
        let seconds = if size > MOST_RATES { 0 } else { seconds };
        Rates { first, seconds, counts: vec![0.0; seconds * usize::from(story.threads)] }
    }

    fn add(&mut self, r: &RequestRecord) {
        let Some(second) = (r.end.0 / SECOND).checked_sub(self.first).map(|s| s as usize) else { return };
        if second < self.seconds
            && let Some(count) = self.counts.get_mut(usize::from(r.thread) * self.seconds + second)
        {
            *count += 1.0;
        }
    }

    fn samples(self) -> Vec<f64> {
        self.counts
    }
}

/// A day of arrivals and a day of draining is the most that a plan can ask for; beyond that a row is damaged.
const LONGEST: u64 = 48 * 3600 * SECOND;

fn last_instant(story: &ReportData) -> u64 {
    let of_requests = story.requests.iter().filter_map(|r| r.end.known().map(|end| end.0));
    let of_samples = story.samples.iter().map(|s| s.at.0);
    let of_faults = story.faults.iter().filter_map(|f| f.to);
    let last = of_requests.chain(of_samples).chain(of_faults).chain([story.end, SECOND]).max();
    last.unwrap_or(SECOND).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::made_up;
    use crate::units::Time;

    /// Due at `due` s, answered `took` ms later, sent at once.
    fn answered(request: u64, due: f64, took: u64) -> RequestRecord {
        let mut r = RequestRecord::planned(request, Instant((due * 1e9) as u64), 0);
        (r.ready, r.sent, r.end) = (r.due, r.due.plus(Time(1000)), r.due.plus(Time::from_millis(took)));
        r.set_outcome(Outcome::Answered);
        (r.status, r.bytes) = (200, 100);
        r.set_last(true);
        r
    }

    fn story(requests: Vec<RequestRecord>) -> ReportData {
        ReportData { end: 4 * SECOND, warmup: SECOND, requests, ..made_up::empty() }
    }

    #[test]
    fn the_warm_up_counts_but_is_not_timed() {
        let d = Digest::of(&story(vec![answered(0, 0.5, 10), answered(1, 1.5, 20), answered(2, 2.5, 30)]));
        assert_eq!((d.account.scheduled, d.answered_in_time, d.bytes_in_time, d.sent), (3, 3, 300, 3));
        assert_eq!((d.response.len(), d.service.len(), d.lag.len()), (2, 2, 2));
        assert!(d.response.equivalent(d.response.max(), 30_000) && d.response.equivalent(d.response.min(), 20_000));
        assert_eq!((d.req_per_sec.mean, d.req_per_sec.max), (2.0 / 3.0, 1.0));
    }

    #[test]
    fn lower_bounds_are_response_times_and_never_service_times() {
        let mut cut = answered(0, 2.0, 5_000);
        cut.set_outcome(Outcome::Unanswered);
        let mut broken = answered(1, 2.0, 50);
        broken.set_outcome(Outcome::ReadError);
        let d = Digest::of(&story(vec![cut, broken]));
        assert_eq!((d.response.len(), d.response_lower_bounds, d.service.len()), (1, 1, 0));
        assert_eq!((d.span, d.answered_in_time), (7 * SECOND, 0));
    }

    #[test]
    fn a_refused_connection_is_not_the_generators_fault() {
        let mut refused = answered(0, 2.0, 1);
        refused.set_outcome(Outcome::ConnectError);
        refused.sent = Instant::NEVER;
        assert_eq!(Digest::of(&story(vec![refused])).sent, 1);
        refused.set_outcome(Outcome::Unsent);
        assert_eq!(Digest::of(&story(vec![refused])).sent, 0);
    }
}
