//! One pass over a run's records, for all products: what became of the requests, and how long they took.

use hdrhistogram::Histogram;

use super::Story;
use crate::record::{Account, Outcome, RequestRecord};
use crate::stats::{self, Moments};

/// The sums of a [`Story`]. Histograms leave the warm-up out; counts leave out nothing.
#[derive(Clone, Debug)]
pub struct Digest {
    pub account: Account,
    /// Response times in us, by last attempts: of answers, and the lower bounds of those cut short.
    pub response: Histogram<u64>,
    /// How many values of `response` are lower bounds.
    pub response_lower_bounds: u64,
    /// Service times of answered attempts, in us.
    pub service: Histogram<u64>,
    /// Send lag of every attempt that was sent, in ns.
    pub lag: Histogram<u64>,
    /// Requests of which an attempt was sent before arrivals ended.
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
    pub fn of(story: &Story) -> Digest {
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
        let mut rates = Rates::new(story);
        for r in &story.requests {
            d.account.add(r);
            d.times(r, r.is_warmup() || r.intended < story.warmup);
            let on_time = |at| RequestRecord::instant(at).is_some_and(|at| at <= story.end);
            d.sent += u64::from(r.is_last() && (r.attempt > 0 || on_time(r.sent)));
            if r.outcome() == Some(Outcome::Answered) && on_time(r.end) {
                d.answered_in_time += 1;
                d.bytes_in_time += r.bytes;
                rates.add(r);
            }
        }
        d.req_per_sec = Moments::of(&rates.samples());
        d
    }

    fn times(&mut self, r: &RequestRecord, warmup: bool) {
        if let Some(lag) = r.send_lag() {
            self.lag.saturating_record(lag);
        }
        if warmup {
            return;
        }
        let answered = r.outcome() == Some(Outcome::Answered);
        if let Some(time) = r.response_time().filter(|_| r.is_last() && (answered || r.is_lower_bound())) {
            stats::record_ns(&mut self.response, time);
            self.response_lower_bounds += u64::from(r.is_lower_bound());
        }
        if let Some(time) = r.service_time().filter(|_| answered) {
            stats::record_ns(&mut self.service, time);
        }
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
    fn new(story: &Story) -> Rates {
        let first = story.warmup.div_ceil(SECOND);
        let seconds = (story.end / SECOND).saturating_sub(first) as usize;
        let size = seconds.saturating_mul(usize::from(story.threads));
        let seconds = if size > MOST_RATES { 0 } else { seconds };
        Rates { first, seconds, counts: vec![0.0; seconds * usize::from(story.threads)] }
    }

    fn add(&mut self, r: &RequestRecord) {
        let Some(second) = (r.end / SECOND).checked_sub(self.first).map(|s| s as usize) else { return };
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

fn last_instant(story: &Story) -> u64 {
    let of_requests = story.requests.iter().filter_map(|r| RequestRecord::instant(r.end));
    let of_samples = story.samples.iter().map(|s| s.at_ns);
    let of_faults = story.faults.iter().filter_map(|f| f.to);
    let last = of_requests.chain(of_samples).chain(of_faults).chain([story.end, SECOND]).max();
    last.unwrap_or(SECOND).min(LONGEST)
}
