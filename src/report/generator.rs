//! The generator's own behaviour in a run: it decides whether the other numbers can be trusted.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::ReportData;
use super::response_bounds::ResponseBounds;
use super::statistics::RunStatistics;
use crate::load::plan::WarmupBy;
use crate::option_name::CommandInUse;
use crate::record::Account;
use crate::record::event::GeneratorStats;
use crate::stats::{ratio, value_at_percentile};
use crate::units::{Instant, Time};

/// What the generator did: counts, rates, send lag and CPU time.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorReport {
    /// Whose options the warnings name.
    pub command: CommandInUse,
    pub account: Account,
    /// Requests that were sent before the end of arrivals, and those whose connection was refused.
    pub sent: u64,
    /// Requests per second in the plan.
    pub planned_rate: f64,
    /// From the start until the end of arrivals.
    pub arrivals: Time,
    /// The histograms hold no requests of the warm-up.
    pub warmup: Time,
    pub warmup_by: WarmupBy,
    /// From the start until the end of the run. CPU time is compared with it.
    pub elapsed: Time,
    pub threads: u16,
    pub send_lag: DelayPercentiles,
    /// Of the responses with a kernel timestamp.
    pub wakeup_latency: DelayPercentiles,
    /// The plan wants kernel timestamps in any case.
    pub requires_timestamps: bool,
    /// `None` if no response time is in the histogram.
    pub response: Option<ResponseTimes>,
    /// Which of the reported response times are lower bounds.
    pub bounds: ResponseBounds,
    pub own: GeneratorStats,
    /// The end of the last answer with a status below 400, of a load.
    pub last_success: Option<Instant>,
    /// By the plan, requests may be sent late by this.
    pub slack: Time,
    /// By the plan, the threads spin instead of sleeping.
    pub spins: bool,
    /// With HTTP/2: the lowest limit of streams that the server set on a connection, if it is below the plan's.
    pub fewest_streams: Option<usize>,
}

/// Percentiles of a delay that the generator causes: of the send lag (sent minus the earliest instant at which the
/// generator could have sent), or of the wake-up latency (when a response was read minus when it arrived).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayPercentiles {
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
}

/// If a smaller share of the plan's connections is up on average, the report says so.
const MIN_UP: f64 = 0.9;

impl DelayPercentiles {
    /// The percentiles of a histogram in ns.
    pub fn of(histogram: &Histogram<u64>) -> DelayPercentiles {
        let at = |percent| value_at_percentile(histogram, percent);
        DelayPercentiles { p50_ns: at(50.0), p99_ns: at(99.0), max_ns: at(100.0) }
    }
}

/// Percentiles of the response time, which the send lag is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseTimes {
    pub count: u64,
    pub p50: Time,
    pub p99: Time,
}

impl ResponseTimes {
    /// The percentiles of a histogram in us. `None` if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<ResponseTimes> {
        let at = |percent| Time(value_at_percentile(histogram, percent)).times(1000);
        (!histogram.is_empty()).then(|| ResponseTimes { count: histogram.len(), p50: at(50.0), p99: at(99.0) })
    }
}

impl GeneratorReport {
    /// The generator of an experiment.
    pub fn of(data: &ReportData, statistics: &RunStatistics) -> GeneratorReport {
        GeneratorReport {
            command: CommandInUse::Experiment,
            account: statistics.account,
            sent: statistics.sent,
            planned_rate: data.planned_rate,
            arrivals: Time(data.arrivals_end.0),
            warmup: Time(data.warmup_end.0),
            warmup_by: WarmupBy::Due,
            elapsed: Time(statistics.last_instant.0),
            threads: data.threads,
            send_lag: DelayPercentiles::of(&statistics.latencies.send_lag),
            wakeup_latency: DelayPercentiles::of(&statistics.latencies.wakeup),
            requires_timestamps: data.requires_timestamps,
            response: ResponseTimes::of(&statistics.latencies.response),
            bounds: ResponseBounds::of(&statistics.latencies),
            own: data.generator.clone(),
            last_success: None,
            slack: data.slack,
            spins: false,
            fewest_streams: None,
        }
    }

    /// Requests sent per second until the end of arrivals.
    pub fn achieved_rate(&self) -> f64 {
        ratio(self.sent as f64, self.arrivals.as_secs_f64())
    }

    /// Requests due per second. With random arrivals it differs slightly from the planned rate.
    pub fn scheduled_rate(&self) -> f64 {
        ratio(self.account.scheduled as f64, self.arrivals.as_secs_f64())
    }

    /// Connections of the plan were down for much of the run, because they could not be made or the server ended them.
    pub fn connections_missing(&self) -> bool {
        let own = &self.own;
        let is_low = own.connections_up_mean < MIN_UP * own.connections_planned as f64;
        own.connections_never_up > 0 || (is_low && own.connect_errors + own.connections_unused > 0)
    }

    /// CPU time of all threads, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.own.cpu_ns as f64 / 1e9
    }

    /// The mean share of one core that a thread used, in percent.
    pub fn cpu_percent_per_thread(&self) -> f64 {
        100.0 * ratio(self.cpu_seconds(), self.elapsed.as_secs_f64() * f64::from(self.threads))
    }

    /// How long the threads were ready to run and had no core, in seconds.
    pub fn core_wait_seconds(&self) -> f64 {
        self.own.core_wait_ns.unwrap_or_default() as f64 / 1e9
    }

    /// The mean share of the run in which a thread was ready to run and had no core, in percent.
    pub fn core_wait_percent(&self) -> f64 {
        100.0 * ratio(self.core_wait_seconds(), self.elapsed.as_secs_f64() * f64::from(self.threads))
    }
}
