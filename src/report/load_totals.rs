//! The numbers of a plain load that its text report and its JSON report show, for one URL or for several.

use super::generator::{DelayPercentiles, GeneratorReport, ResponseTimes};
use super::response_bounds::ResponseBounds;
use super::wrk2::{ThreadCalibration, Wrk2Statistics};
use crate::load::plan::{Spin, Timestamps};
use crate::load::{LoadResult, WorkerResult};
use crate::option_name::CommandInUse;
use crate::record::event::GeneratorStats;
use crate::record::{Account, ErrorCounts, Latencies};
use crate::stats::{Moments, ratio};
use crate::threshold::Measurements;
use crate::units::{Instant, Time};

/// The numbers of one load, or the sums of loads that ran at the same time.
#[derive(Clone, Debug)]
pub struct LoadTotals {
    pub latencies: Latencies,
    /// Answers per second of one thread.
    pub req_per_sec: Moments,
    /// Answers that arrived before the end of arrivals.
    pub answered_in_time: u64,
    /// Bytes of these answers.
    pub bytes_in_time: u64,
    /// From the start until the end of arrivals.
    pub runtime: Time,
    /// Requests that were answered with a status below 400 within the SLO; `None` if the plan has no SLO.
    pub good: Option<u64>,
    pub errors: ErrorCounts,
    /// One entry for each thread; empty if the run had no warm-up or ended in it.
    pub calibration: Vec<ThreadCalibration>,
    pub generator: GeneratorReport,
}

impl LoadTotals {
    /// The sums over `loads`.
    pub fn of(loads: &[LoadResult]) -> LoadTotals {
        let threads = || loads.iter().flat_map(|load| &load.threads);
        let sum = |of: fn(&WorkerResult) -> u64| threads().map(of).sum::<u64>();
        let (mut account, mut latencies, mut own) =
            (Account::default(), Latencies::default(), GeneratorStats::default());
        for load in loads {
            account.merge(&load.account());
            latencies.merge(&load.latencies());
            own.merge(&load.generator());
        }
        let arrivals = loads.iter().map(LoadResult::duration).max().unwrap_or_default();
        let warmup = loads.iter().map(|load| load.plan.warmup).max().unwrap_or_default();
        let is_calibrated =
            |thread: &&WorkerResult| warmup > Time::ZERO && arrivals > warmup && thread.rates.interval() > Time::ZERO;
        let calibration = threads().filter(is_calibrated).map(|thread| ThreadCalibration {
            mean_latency_ms: thread.calibration.mean() / 1e3,
            interval: thread.rates.interval(),
        });
        LoadTotals {
            req_per_sec: Moments::of_counted(threads().flat_map(|thread| thread.rates.rates())),
            answered_in_time: sum(|thread| thread.in_time.0),
            bytes_in_time: sum(|thread| thread.in_time.1),
            runtime: arrivals,
            good: loads.iter().any(|load| load.plan.slo.is_some()).then(|| sum(|thread| thread.good)),
            // Two kinds of errors are in no record: attempts to connect while the request waits, and bytes that a
            // server sends without a request.
            errors: ErrorCounts {
                connect: own.connect_errors,
                read: account.errors.read + sum(|thread| thread.unsolicited),
                ..account.errors
            },
            calibration: calibration.collect(),
            generator: GeneratorReport {
                command: CommandInUse::Load,
                sent: account.scheduled - account.unsent,
                account,
                planned_rate: loads.iter().map(|load| load.plan.planned_rate()).sum(),
                arrivals,
                warmup,
                warmup_by: loads.first().map(|load| load.plan.warmup_by).unwrap_or_default(),
                elapsed: threads().map(|thread| thread.ended.since(Instant::START)).max().unwrap_or_default(),
                threads: u16::try_from(threads().count()).unwrap_or(u16::MAX),
                send_lag: DelayPercentiles::of(&latencies.send_lag),
                wakeup_latency: DelayPercentiles::of(&latencies.wakeup),
                requires_timestamps: loads.iter().any(|load| load.plan.timestamps == Timestamps::Kernel),
                response: ResponseTimes::of(&latencies.response),
                bounds: ResponseBounds::of(&latencies),
                own,
                slack: loads.iter().map(|load| load.plan.slack).max().unwrap_or_default(),
                spins: loads.iter().all(|load| load.plan.spin == Spin::Always),
                last_success: threads().filter_map(|thread| thread.last_success).max(),
                fewest_streams: loads.iter().filter_map(LoadResult::fewest_streams).min(),
            },
            latencies,
        }
    }

    /// The numbers that thresholds are about.
    pub fn measurements(&self) -> Measurements<'_> {
        let account = &self.generator.account;
        Measurements {
            requests: account.scheduled,
            errors: account.with_error,
            unanswered: account.unanswered,
            unsent: account.unsent,
            good: self.good.map(|good| (good, account.scheduled)),
            rate: ratio(self.answered_in_time as f64, self.runtime.as_secs_f64()),
            planned_rate: self.generator.planned_rate,
            response: &self.latencies.response,
            lower_bounds: &self.latencies.lower_bounds,
            service: &self.latencies.service,
            send_lag: &self.latencies.send_lag,
        }
    }

    /// The numbers in wrk2's text report.
    pub fn wrk2_statistics(&self) -> Wrk2Statistics<'_> {
        Wrk2Statistics {
            response: &self.latencies.response,
            service: Some(&self.latencies.service),
            req_per_sec: self.req_per_sec,
            sent: self.generator.sent,
            requests: self.answered_in_time,
            runtime: self.runtime,
            bytes: self.bytes_in_time,
            errors: self.errors,
        }
    }
}
