//! `summary.json`: the run in numbers, for programs. A versioned schema: fields are added, never changed or taken away
//! without a new number.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::generator::{GeneratorBlock, Lag};
use super::{FaultWindow, ReportData};
use crate::record::event::GeneratorStats;
use crate::record::{Account, ErrorCounts};
use crate::stats::{Moments, ratio, value_at_percentile, within_stdev};
use crate::verdict::VerdictText;
use crate::verdict::goodput::Bin;

/// Of [`Summary`].
pub const SCHEMA: u32 = 1;

/// All numbers are finite; where there was no sample they are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub schema: u32,
    pub name: String,
    /// Wall time of the run's start, RFC 3339.
    pub started: String,
    pub verdict: VerdictText,

    #[serde(flatten)]
    pub printed: Printed,
    pub plan: Plan,
    pub account: AccountText,
    /// In us, as `service`.
    pub response: Latency,
    /// How many of the response times are lower bounds.
    pub response_lower_bounds: u64,
    pub service: Latency,
    pub send_lag: Lag,
    pub goodput: Vec<Bin>,
    pub faults: Vec<FaultWindow>,
    pub recovered_at_ns: Option<u64>,
    pub generator: GeneratorText,
    /// What faults left that makes no difference to the verdict.
    #[serde(default)]
    pub fault_warnings: Vec<String>,
}

/// What wrk2 prints, under the names and in the units of the seed's parser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    /// Of response times, in ms.
    pub lat_avg: f64,
    pub lat_stdev: f64,
    pub lat_max: f64,
    /// Of answers per second and thread.
    pub req_avg: f64,
    pub req_stdev: f64,
    pub req_max: f64,
    /// Answers that arrived before arrivals ended.
    pub tot_requests: u64,
    /// How long requests were scheduled, in ms.
    pub tot_duration: f64,
    /// Bytes.
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

impl Printed {
    /// `response` is in us; `answers` and `bytes` are those that arrived within `duration_ns`.
    pub fn of(
        response: &Latency,
        req_per_sec: &Moments,
        (answers, bytes): (u64, u64),
        errors: &ErrorCounts,
        duration_ns: u64,
    ) -> Printed {
        let seconds = duration_ns as f64 / 1e9;
        Printed {
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Requests per second.
    pub rate: f64,
    pub threads: u16,
    pub warmup_ns: u64,
    pub end_ns: u64,
    pub slo_ns: u64,
    pub baseline_ns: Option<(u64, u64)>,
    /// Name and value, as a person reads them.
    pub facts: Vec<(String, String)>,
}

/// An [`Account`], and whether it adds up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountText {
    #[serde(flatten)]
    pub account: Account,
    pub balances: bool,
}

/// In the unit of the histogram. Percentiles are HdrHistogram's: the greatest value that 3 digits can't tell from the
/// one meant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub mean: f64,
    pub stdev: f64,
    /// Percent of the samples within one deviation of the mean.
    pub within_stdev: f64,
    pub min: u64,
    pub p50: u64,
    pub p75: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub p99_99: u64,
    pub p99_999: u64,
    pub max: u64,
}

impl Latency {
    pub fn of(histogram: &hdrhistogram::Histogram<u64>) -> Latency {
        let at = |percent| value_at_percentile(histogram, percent);
        Latency {
            count: histogram.len(),
            mean: histogram.mean(),
            stdev: histogram.stdev(),
            within_stdev: within_stdev(histogram),
            min: histogram.min(),
            p50: at(50.0),
            p75: at(75.0),
            p90: at(90.0),
            p99: at(99.0),
            p99_9: at(99.9),
            p99_99: at(99.99),
            p99_999: at(99.999),
            max: at(100.0),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorText {
    /// Requests that were sent before arrivals ended.
    pub sent: u64,
    pub planned_rate: f64,
    pub scheduled_rate: f64,
    pub achieved_rate: f64,
    /// Percent of one core that a thread used.
    pub cpu_percent_per_thread: f64,
    #[serde(flatten)]
    pub own: GeneratorStats,
    /// Why the numbers should not be trusted, and what to do.
    pub warnings: Vec<String>,
}

impl GeneratorText {
    pub fn of(block: &GeneratorBlock) -> GeneratorText {
        GeneratorText {
            sent: block.sent,
            planned_rate: ratio(block.planned_rate, 1.0),
            scheduled_rate: block.scheduled_rate(),
            achieved_rate: block.achieved_rate(),
            cpu_percent_per_thread: block.cpu_percent_per_thread(),
            own: block.own.clone(),
            warnings: block.warnings().iter().map(ToString::to_string).collect(),
        }
    }
}

impl Summary {
    pub fn of(story: &ReportData, digest: &Digest) -> Summary {
        let block = GeneratorBlock::of(story, digest);
        let response = Latency::of(&digest.response);
        // Where a request waits on while its connection is made again, only the generator knows of the attempts.
        let connect = digest.account.errors.connect.max(story.generator.connect_errors);
        let errors = ErrorCounts { connect, ..digest.account.errors };
        let in_time = (digest.answered_in_time, digest.bytes_in_time);
        Summary {
            schema: SCHEMA,
            name: story.name.clone(),
            started: story.started.clone(),
            verdict: story.explanation.with_finite_numbers(),
            printed: Printed::of(&response, &digest.req_per_sec, in_time, &errors, story.end),
            plan: Plan {
                rate: ratio(story.rate, 1.0),
                threads: story.threads,
                warmup_ns: story.warmup,
                end_ns: story.end,
                slo_ns: story.slo,
                baseline_ns: story.baseline,
                facts: story.facts.clone(),
            },
            account: AccountText { account: digest.account, balances: digest.account.balances() },
            response,
            response_lower_bounds: digest.response_lower_bounds,
            service: Latency::of(&digest.service),
            send_lag: block.lag,
            goodput: story.goodput.clone(),
            faults: story.faults.clone(),
            recovered_at_ns: story.recovered_at,
            generator: GeneratorText::of(&block),
            fault_warnings: story.warnings.iter().map(|(_, text)| text.clone()).collect(),
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that data could cause: every key is text.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl VerdictText {
    /// JSON has no NaN, and readers want a number.
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
