//! Thresholds in the text reports.

use super::ReportData;
use super::statistics::RunStatistics;
use crate::plan::ExperimentPlan;
use crate::record::Abort;
use crate::stats::ratio;
use crate::threshold::{Measurements, ThresholdResult};
use crate::units::Time;

/// A line for each threshold, below a heading; nothing without thresholds.
pub fn format_thresholds(results: &[ThresholdResult]) -> String {
    let line =
        |result: &ThresholdResult| format!("  {} {}\n", if result.passed { "PASS" } else { "FAIL" }, result.text);
    let lines: String = results.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("Thresholds:\n{lines}") }
}

/// The results of an experiment.
pub fn evaluate_thresholds(plan: &ExperimentPlan, data: &ReportData, aborted: Option<&Abort>) -> Vec<ThresholdResult> {
    if plan.thresholds().is_empty() {
        return Vec::new();
    }
    let statistics = RunStatistics::of(data);
    let account = &statistics.account;
    let judged = data.goodput.iter().filter(|bin| bin.from >= data.warmup_end);
    let (good, of) = judged.fold((0, 0), |(good, of), bin| (good + bin.good, of + bin.scheduled));
    plan.thresholds().evaluate(
        &Measurements {
            requests: account.scheduled,
            errors: account.with_error,
            unanswered: account.unanswered,
            unsent: account.unsent,
            good: Some((good, of)),
            rate: ratio(statistics.answered_in_time as f64, Time(data.arrivals_end.0).as_secs_f64()),
            planned_rate: data.planned_rate,
            response: &statistics.latencies.response,
            lower_bounds: &statistics.latencies.lower_bounds,
            service: &statistics.latencies.service,
            send_lag: &statistics.latencies.send_lag,
        },
        aborted,
    )
}
