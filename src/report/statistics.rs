//! The sums over a run's records that all products share.

use super::ReportData;
use crate::record::digest::Digest;
use crate::record::{Account, Latencies};
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
        let totals = &data.digest.totals;
        RunStatistics {
            account: totals.account,
            latencies: totals.latencies.clone(),
            sent: totals.sent,
            answered_in_time: totals.answered_in_time,
            bytes_in_time: totals.bytes_in_time,
            req_per_sec: answers_per_second(&data.digest),
            last_instant: data.digest.frame().axis_end,
        }
    }
}

const SECOND: u64 = 1_000_000_000;

/// Answers of each thread in each whole second after the warm-up, until the end of arrivals.
fn answers_per_second(digest: &Digest) -> Moments {
    let frame = digest.frame();
    let seconds = frame.warmup_end.0.div_ceil(SECOND)..frame.arrivals_end.0 / SECOND;
    let counts = || {
        let answers = digest.threads.iter().flat_map(|thread| &thread.answers);
        answers.filter(|(second, _)| seconds.contains(&u64::from(**second))).map(|(_, count)| f64::from(*count))
    };
    let all = seconds.end.saturating_sub(seconds.start).saturating_mul(digest.threads.len() as u64);
    let without = all.saturating_sub(counts().count() as u64);
    Moments::of_counted(counts().map(|count| (count, 1)).chain([(0.0, without)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, RequestRecord};
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
        let mut run = synthetic::empty();
        (run.arrivals_end, run.warmup_end, run.requests) = (Instant(4 * SECOND), Instant(SECOND), requests);
        run.report()
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
