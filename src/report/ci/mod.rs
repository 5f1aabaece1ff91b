//! What CI systems show of a run: JUnit XML and Markdown.

mod junit;
mod markdown;

pub use junit::format_junit;
pub use markdown::format_markdown;

use super::ReportData;
use super::generator::GeneratorReport;
use super::load_totals::LoadTotals;
use super::statistics::RunStatistics;
use super::summary::LatencySummary;
use crate::record::Account;
use crate::stats::ratio;
use crate::threshold::ThresholdResult;
use crate::units::Time;
use crate::verdict::VerdictText;

/// A run, as far as a CI system is interested in it.
pub struct CiReport<'a> {
    /// The URLs of a load, or the name of an experiment.
    pub name: String,
    /// Wall time of the start of load, RFC 3339.
    pub started: &'a str,
    pub lasted: Time,
    /// Of an experiment.
    pub verdict: Option<&'a VerdictText>,
    pub thresholds: &'a [ThresholdResult],
    pub account: Account,
    /// Answers per second.
    pub rate: f64,
    /// In us.
    pub response: LatencySummary,
    /// The keys of `response` that are lower bounds.
    pub at_least: Vec<String>,
    /// In us.
    pub service: LatencySummary,
    pub warnings: Vec<String>,
}

impl<'a> CiReport<'a> {
    pub fn of_load(
        name: String,
        started: &'a str,
        totals: &LoadTotals,
        thresholds: &'a [ThresholdResult],
    ) -> CiReport<'a> {
        CiReport {
            name,
            started,
            lasted: totals.runtime,
            verdict: None,
            thresholds,
            account: totals.generator.account,
            rate: ratio(totals.answered_in_time as f64, totals.runtime.as_secs_f64()),
            response: LatencySummary::of(&totals.latencies.response),
            at_least: totals.generator.bounds.summary.at_least.clone(),
            service: LatencySummary::of(&totals.latencies.service),
            warnings: totals.generator.warnings(),
        }
    }

    pub fn of_experiment(data: &'a ReportData, statistics: &RunStatistics) -> CiReport<'a> {
        let generator = GeneratorReport::of(data, statistics);
        let lasted = Time(data.arrivals_end.0);
        CiReport {
            name: data.name.clone(),
            started: &data.started,
            lasted,
            verdict: Some(&data.explanation),
            thresholds: &data.thresholds,
            account: statistics.account,
            rate: ratio(statistics.answered_in_time as f64, lasted.as_secs_f64()),
            response: LatencySummary::of(&statistics.latencies.response),
            at_least: generator.bounds.summary.at_least.clone(),
            service: LatencySummary::of(&statistics.latencies.service),
            warnings: generator.warnings().into_iter().chain(data.problems.iter().cloned()).collect(),
        }
    }

    /// Whether the verdict of the run, if it has one, is a healthy one.
    fn is_healthy(verdict: &VerdictText) -> bool {
        verdict.exit_code == 0
    }
}
