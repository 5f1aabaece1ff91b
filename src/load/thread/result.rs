use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::connection_counts::ConnectionCounts;
use super::rate_sampler::RateSampler;
use super::state::WorkerState;
use super::thread_times::ThreadTimes;
use crate::load::plan::LoadPlan;
use crate::record::{Account, ErrorCauses, Latencies, histogram};
use crate::script::ScriptError;
use crate::stats::latency_histogram;
use crate::units::Instant;

/// What a worker returns at the end of its run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerResult {
    /// The number of the worker's thread, from 0.
    pub thread: usize,
    /// How its requests ended.
    pub account: Account,
    /// The latencies of its requests.
    pub latencies: Latencies,
    /// Response times within the warm-up, in us.
    #[serde(with = "histogram::latency")]
    pub calibration: Histogram<u64>,
    /// Samples of its responses per second.
    pub rates: RateSampler,
    /// Responses up to the end of arrivals, and the bytes read up to then.
    pub in_time: (u64, u64),
    /// The end of this worker's arrivals.
    pub arrivals_end: Instant,
    /// The end of this worker's run.
    pub ended: Instant,
    /// The times of the thread since the start of load.
    pub times: ThreadTimes,
    /// What happened to its connections.
    pub connections: ConnectionCounts,
    /// Connections that the plan keeps open; 0 with `open`.
    pub connections_planned: u64,
    /// Why connections could not be made, and why attempts failed.
    pub causes: ErrorCauses,
    /// How often a request was sent again because the server did not process it.
    pub sent_again: u64,
    /// Responses without a request. Each closes its connection.
    pub unsolicited: u64,
    /// With HTTP/2: the lowest limit on the streams of a connection, the plan's or the server's.
    pub fewest_streams: usize,
    /// The most attempts that were in flight at a time.
    pub in_flight_max: u64,
    /// A request waited because of the limit on connections.
    pub limit_reached: bool,
    /// Requests that waited: for a busy connection, or because of the limit on catching up.
    pub waited: u64,
    /// Requests that waited because of the limit on catching up.
    pub held_back: u64,
    /// Requests due within the warm-up that were still in flight at its end.
    pub late_warmup: u64,
    /// Requests that were answered with a status below 400 within the plan's SLO.
    pub good: u64,
    /// The end of the last answer with a status below 400.
    pub last_success: Option<Instant>,
    /// Answered attempts that ended with a kernel timestamp.
    pub timestamps: u64,
    /// Answered attempts without one, if timestamps are in use.
    pub timestamps_missing: u64,
    /// Records that were dropped because their queue was full.
    pub dropped: u64,
    /// Requests that were never sent because of the script.
    pub script_unsent: u64,
    /// Some requests that were due and never sent are not counted, because the user did not wait for that.
    pub has_uncounted: bool,
    /// The error of the script that ended the run.
    pub failure: Option<ScriptError>,
}

impl WorkerResult {
    /// The result of a worker of which only the account is known.
    pub(crate) fn of_lost(thread: usize, account: Account, arrivals_end: Instant, plan: &LoadPlan) -> WorkerResult {
        let (ended, in_time) = (arrivals_end, (account.answered, 0));
        let fewest_streams = plan.streams;
        WorkerResult { account, in_time, arrivals_end, ended, fewest_streams, ..WorkerResult::empty(thread) }
    }

    /// The result of a worker that has done nothing.
    pub fn empty(thread: usize) -> WorkerResult {
        WorkerResult {
            thread,
            account: Account::default(),
            latencies: Latencies::default(),
            calibration: latency_histogram(),
            rates: RateSampler::default(),
            in_time: (0, 0),
            arrivals_end: Instant::START,
            ended: Instant::START,
            times: ThreadTimes::default(),
            connections: ConnectionCounts::default(),
            connections_planned: 0,
            causes: ErrorCauses::default(),
            sent_again: 0,
            unsolicited: 0,
            fewest_streams: usize::MAX,
            in_flight_max: 0,
            limit_reached: false,
            waited: 0,
            held_back: 0,
            late_warmup: 0,
            timestamps: 0,
            timestamps_missing: 0,
            dropped: 0,
            script_unsent: 0,
            has_uncounted: false,
            good: 0,
            last_success: None,
            failure: None,
        }
    }

    /// Whether it can be the result of a worker. Another process may send any numbers.
    pub(crate) fn is_plausible(&self) -> bool {
        let counts = [
            self.in_time.0,
            self.connections_planned,
            self.sent_again,
            self.unsolicited,
            self.in_flight_max,
            self.waited,
            self.held_back,
            self.late_warmup,
            self.timestamps,
            self.timestamps_missing,
            self.dropped,
            self.script_unsent,
            self.good,
            self.latencies.lower_bounds.count(),
        ];
        let is_possible = |count: &u64| *count <= histogram::MAX_COUNT;
        self.account.is_plausible() && self.account.balances() && counts.iter().all(is_possible)
    }

    /// Collects the result of a run that has ended.
    pub(super) fn collect(
        state: &WorkerState,
        arrivals_end: Instant,
        ended: Instant,
        times: ThreadTimes,
    ) -> WorkerResult {
        let mut metrics = state.metrics.borrow_mut();
        let dropped = metrics.finish();
        let dispatcher = state.dispatcher.borrow();
        WorkerResult {
            thread: usize::from(state.thread()),
            account: metrics.account,
            latencies: std::mem::take(&mut metrics.latencies),
            calibration: metrics.calibration.clone(),
            rates: std::mem::take(&mut metrics.rates),
            in_time: metrics.in_time,
            arrivals_end,
            ended,
            times,
            connections: *state.connections.borrow(),
            connections_planned: state.connections_planned(),
            causes: state.causes.take(),
            sent_again: state.sent_again.get(),
            unsolicited: state.unsolicited.get(),
            fewest_streams: state.fewest_streams.get(),
            in_flight_max: metrics.in_flight_max,
            limit_reached: dispatcher.limit_reached(),
            late_warmup: metrics.late_warmup,
            good: metrics.good,
            last_success: metrics.last_success,
            waited: dispatcher.waited(),
            held_back: dispatcher.held_back(),
            timestamps: metrics.timestamps,
            timestamps_missing: if state.has_timestamps() { metrics.timestamps_missing } else { 0 },
            dropped,
            script_unsent: state.script_unsent.get(),
            has_uncounted: state.has_uncounted.get(),
            failure: state.take_failure(),
        }
    }
}
