//! `summary.json`: the numbers of an experiment, for programs. The schema has a version: fields may be added without a
//! new version, but no field is changed or removed.

use serde::{Deserialize, Serialize};

use super::generator::{DelayPercentiles, GeneratorReport};
use super::interval_counts::IntervalCounts;
use super::phases::{PhaseSummary, summarize_phases};
use super::response_bounds::BoundsSummary;
use super::statistics::RunStatistics;
use super::{FaultWindow, ReportData};
use crate::record::event::GeneratorStats;
use crate::record::{Account, ErrorCounts, RunOrigin};
use crate::stats::{Moments, ratio, value_at_percentile, within_stdev};
use crate::threshold::ThresholdResult;
use crate::units::Time;
use crate::verdict::VerdictText;
use crate::verdict::goodput::Bin;

/// The version of [`Summary`].
pub const SCHEMA: u32 = 1;

/// The content of `summary.json`. All numbers are finite; they are 0 where there was no sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub schema: u32,
    pub name: String,
    /// Wall time of the start of load, RFC 3339.
    pub started: String,
    /// What made the results.
    #[serde(default)]
    pub origin: RunOrigin,
    /// The seed of random arrivals.
    #[serde(default)]
    pub seed: u64,
    pub verdict: VerdictText,

    #[serde(flatten)]
    pub wrk2_values: Wrk2Values,
    pub plan: PlanSummary,
    pub account: AccountSummary,
    /// The answers of each status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<StatusCount>,
    /// Response times by phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseSummary>,
    /// Response times (end - due) in us, with lower bounds.
    pub response: LatencySummary,
    /// How many of the response times are lower bounds.
    pub response_lower_bounds: u64,
    #[serde(default)]
    pub response_bounds: BoundsSummary,
    /// Service times (end - sent) in us, of answers.
    pub service: LatencySummary,
    pub send_lag: DelayPercentiles,
    /// Of the responses with a kernel timestamp.
    #[serde(default)]
    pub wakeup_latency: DelayPercentiles,
    pub goodput: Vec<Bin>,
    #[serde(default)]
    pub intervals: IntervalCounts,
    pub faults: Vec<FaultWindow>,
    pub recovered_at_ns: Option<u64>,
    pub generator: GeneratorSummary,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdResult>,
    /// Warnings of faults, which do not change the verdict.
    #[serde(default)]
    pub fault_warnings: Vec<String>,
    /// Problems found before the load, with remedies.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// The numbers that wrk2 prints, with the names and units that scripts around wrk2 commonly use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wrk2Values {
    /// Response times in ms.
    pub lat_avg: f64,
    pub lat_stdev: f64,
    pub lat_max: f64,
    /// Answers per second of one thread.
    pub req_avg: f64,
    pub req_stdev: f64,
    pub req_max: f64,
    /// Answers that arrived before the end of arrivals.
    pub tot_requests: u64,
    /// From the start until the end of arrivals, in ms.
    pub tot_duration: f64,
    /// Bytes of these answers.
    pub read: u64,
    pub err_connect: u64,
    pub err_read: u64,
    pub err_write: u64,
    pub err_timeout: u64,
    /// Answers per second.
    pub req_sec_tot: f64,
    /// Bytes per second.
    pub read_tot: f64,
}

impl Wrk2Values {
    /// `response` is in us; `answers` and `bytes` count what arrived within `duration`.
    pub fn of(
        response: &LatencySummary,
        req_per_sec: &Moments,
        (answers, bytes): (u64, u64),
        errors: &ErrorCounts,
        duration: Time,
    ) -> Wrk2Values {
        let seconds = duration.as_secs_f64();
        Wrk2Values {
            lat_avg: response.mean / 1e3,
            lat_stdev: response.stdev / 1e3,
            lat_max: response.max as f64 / 1e3,
            req_avg: req_per_sec.mean,
            req_stdev: req_per_sec.stdev,
            req_max: req_per_sec.max,
            tot_requests: answers,
            tot_duration: seconds * 1e3,
            read: bytes,
            err_connect: errors.connect,
            err_read: errors.read,
            err_write: errors.write,
            err_timeout: errors.timeout,
            req_sec_tot: ratio(answers as f64, seconds),
            read_tot: ratio(bytes as f64, seconds),
        }
    }
}

/// The plan. Instants and spans are ns on the clock of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Requests per second.
    pub rate: f64,
    pub threads: u16,
    pub warmup_ns: u64,
    pub end_ns: u64,
    pub slo_ns: u64,
    pub baseline_ns: Option<(u64, u64)>,
    /// The table of the report: name and value as text.
    pub facts: Vec<(String, String)>,
}

/// An [`Account`], and whether scheduled = answered + failed + unanswered + unsent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountSummary {
    #[serde(flatten)]
    pub account: Account,
    pub balances: bool,
}

/// How many attempts were answered with a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCount {
    pub status: u16,
    pub answers: u64,
}

/// Percentiles in the unit of the histogram. As in HdrHistogram, a percentile is the greatest value that equals the
/// exact one in its first 3 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    pub count: u64,
    pub mean: f64,
    pub stdev: f64,
    /// Percent of the samples within one standard deviation of the mean.
    pub within_stdev: f64,
    pub min: u64,
    pub p50: u64,
    pub p75: u64,
    pub p90: u64,
    #[serde(default)]
    pub p95: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub p99_99: u64,
    pub p99_999: u64,
    pub max: u64,
}

impl LatencySummary {
    pub fn of(histogram: &hdrhistogram::Histogram<u64>) -> LatencySummary {
        let at = |percent| value_at_percentile(histogram, percent);
        LatencySummary {
            count: histogram.len(),
            mean: histogram.mean(),
            stdev: histogram.stdev(),
            within_stdev: within_stdev(histogram),
            min: histogram.min(),
            p50: at(50.0),
            p75: at(75.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p99_9: at(99.9),
            p99_99: at(99.99),
            p99_999: at(99.999),
            max: at(100.0),
        }
    }
}

/// What the generator did, and the warnings about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorSummary {
    /// Requests that were sent before the end of arrivals.
    pub sent: u64,
    pub planned_rate: f64,
    pub scheduled_rate: f64,
    pub achieved_rate: f64,
    /// The mean share of one core that a thread used, in percent.
    pub cpu_percent_per_thread: f64,
    #[serde(flatten)]
    pub own: GeneratorStats,
    /// Reasons to distrust the numbers, with remedies.
    pub warnings: Vec<String>,
}

impl GeneratorSummary {
    pub fn of(report: &GeneratorReport) -> GeneratorSummary {
        GeneratorSummary {
            sent: report.sent,
            planned_rate: ratio(report.planned_rate, 1.0),
            scheduled_rate: report.scheduled_rate(),
            achieved_rate: report.achieved_rate(),
            cpu_percent_per_thread: report.cpu_percent_per_thread(),
            own: report.own.clone(),
            warnings: report.warnings(),
        }
    }
}

impl Summary {
    pub fn of(data: &ReportData, statistics: &RunStatistics) -> Summary {
        let generator = GeneratorReport::of(data, statistics);
        let response = LatencySummary::of(&statistics.latencies.response);
        // Attempts to connect while the request waits are in no record.
        let connect = statistics.account.errors.connect.max(data.generator.connect_errors);
        let errors = ErrorCounts { connect, ..statistics.account.errors };
        let in_time = (statistics.answered_in_time, statistics.bytes_in_time);
        Summary {
            schema: SCHEMA,
            name: data.name.clone(),
            started: data.started.clone(),
            origin: data.origin.clone(),
            seed: data.seed,
            verdict: data.explanation.with_finite_numbers(),
            wrk2_values: Wrk2Values::of(
                &response,
                &statistics.req_per_sec,
                in_time,
                &errors,
                Time(data.arrivals_end.0),
            ),
            plan: PlanSummary {
                rate: ratio(data.rate, 1.0),
                threads: data.threads,
                warmup_ns: data.warmup_end.0,
                end_ns: data.arrivals_end.0,
                slo_ns: data.slo.0,
                baseline_ns: data.baseline.map(|(from, to)| (from.0, to.0)),
                facts: data.facts.clone(),
            },
            account: AccountSummary { account: statistics.account, balances: statistics.account.balances() },
            statuses: data
                .digest
                .totals
                .statuses
                .iter()
                .map(|(&status, &answers)| StatusCount { status, answers })
                .collect(),
            phases: summarize_phases(data),
            response,
            response_lower_bounds: statistics.latencies.lower_bounds.count(),
            response_bounds: generator.bounds.summary.clone(),
            service: LatencySummary::of(&statistics.latencies.service),
            send_lag: generator.send_lag,
            wakeup_latency: generator.wakeup_latency,
            goodput: data.goodput.clone(),
            intervals: IntervalCounts::of(&data.digest),
            faults: data.faults.clone(),
            recovered_at_ns: data.recovered_at.map(|at| at.0),
            generator: GeneratorSummary::of(&generator),
            thresholds: data.thresholds.clone(),
            fault_warnings: data.warnings.iter().map(|(_, text)| text.clone()).collect(),
            problems: data.problems.clone(),
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that data could cause: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl VerdictText {
    /// JSON has neither NaN nor infinity.
    fn with_finite_numbers(&self) -> VerdictText {
        let finite = |n: Option<f64>| n.map(|n| ratio(n, 1.0));
        VerdictText {
            loss_seconds: finite(self.loss_seconds),
            loss_requests: finite(self.loss_requests),
            baseline_goodput: finite(self.baseline_goodput),
            ..self.clone()
        }
    }
}
