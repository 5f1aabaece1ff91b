//! Conditions compared with the numbers of a run.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::condition::{Condition, Quantity};
use super::metric::{Metric, Statistic};
use crate::record::LowerBounds;
use crate::stats::{ratio, value_at_percentile};

/// The numbers that conditions are about: of a whole run, or of a window of it.
pub struct Measurements<'a> {
    /// Requests: all that shares are of.
    pub requests: u64,
    pub errors: u64,
    pub unanswered: u64,
    pub unsent: u64,
    /// Requests that were answered with a status below 400 within the SLO, and of how many; `None` without an SLO.
    pub good: Option<(u64, u64)>,
    /// Answers per second.
    pub rate: f64,
    /// Requests per second, as planned.
    pub planned_rate: f64,
    /// In us.
    pub response: &'a Histogram<u64>,
    /// The response times that are only lower bounds.
    pub lower_bounds: &'a LowerBounds,
    /// In us.
    pub service: &'a Histogram<u64>,
    /// In ns.
    pub send_lag: &'a Histogram<u64>,
}

/// What a condition means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The run fails at its end if the condition holds.
    FailIf,
    /// The run is ended when the condition holds.
    AbortIf,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::FailIf => "fail-if",
            Action::AbortIf => "abort-if",
        }
    }
}

/// Whether a run passed a threshold, for programs and as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// The condition, such as `p99>50ms`.
    pub condition: String,
    pub action: Action,
    pub passed: bool,
    /// The value of the metric, in `unit`. `None` if there is none, or if the run was never aborted.
    pub value: Option<f64>,
    pub limit: f64,
    /// `us`, `percent`, `1/s`, or nothing for a number of requests.
    pub unit: String,
    /// The value is only a lower bound.
    pub is_lower_bound: bool,
    /// `p99 12.03ms <= 50ms`
    pub text: String,
}

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    /// In the unit of the limit: ns, percent, or a number.
    value: f64,
    is_lower_bound: bool,
}

impl Measurements<'_> {
    /// The value that `condition` compares; `None` without a sample.
    fn value_of(&self, condition: &Condition) -> Option<Measured> {
        let exact = |value: f64| Some(Measured { value, is_lower_bound: false });
        let is_share = matches!(condition.limit, Quantity::Percent(_));
        let share = |part: u64| (self.requests > 0).then(|| 100.0 * ratio(part as f64, self.requests as f64));
        let requests = |part: u64| if is_share { share(part) } else { Some(part as f64) };
        match condition.metric {
            Metric::Response(statistic) => {
                let value = read_statistic(self.response, statistic)? * 1e3;
                Some(Measured { value, is_lower_bound: self.is_lower_bound(statistic) })
            }
            Metric::Service(statistic) => exact(read_statistic(self.service, statistic)? * 1e3),
            Metric::SendLag(statistic) => exact(read_statistic(self.send_lag, statistic)?),
            Metric::Errors => exact(requests(self.errors)?),
            Metric::Unanswered => exact(requests(self.unanswered)?),
            Metric::Unsent => exact(requests(self.unsent)?),
            Metric::Goodput => {
                let (good, of) = self.good.filter(|(_, of)| *of > 0)?;
                exact(100.0 * ratio(good as f64, of as f64))
            }
            Metric::Rate if is_share => exact(100.0 * ratio(self.rate, self.planned_rate)),
            Metric::Rate => exact(self.rate),
        }
    }

    fn is_lower_bound(&self, statistic: Statistic) -> bool {
        let percent = match statistic {
            Statistic::Percentile(percent) => percent,
            Statistic::Mean => return self.lower_bounds.count() > 0,
            Statistic::Min => 0.0,
            Statistic::Max => 100.0,
        };
        self.lower_bounds.are_bounds(self.response, [percent]) == [true]
    }
}

/// The statistic of a histogram, in its unit; `None` if it is empty.
fn read_statistic(histogram: &Histogram<u64>, statistic: Statistic) -> Option<f64> {
    (!histogram.is_empty()).then(|| match statistic {
        Statistic::Percentile(percent) => value_at_percentile(histogram, percent) as f64,
        Statistic::Mean => histogram.mean(),
        Statistic::Min => histogram.min() as f64,
        Statistic::Max => value_at_percentile(histogram, 100.0) as f64,
    })
}

impl Condition {
    /// The value of the metric, if the condition certainly holds for these numbers.
    pub fn holding_value(&self, measurements: &Measurements<'_>) -> Option<f64> {
        let measured = measurements.value_of(self)?;
        let is_certain = !measured.is_lower_bound || self.comparison.is_of_large_values();
        let holds = is_certain && self.comparison.holds(measured.value, self.limit_value());
        holds.then_some(measured.value)
    }

    /// Whether a run with these numbers passes. Without a value it does not, nor with a lower bound that leaves it open.
    pub fn evaluate(&self, measurements: &Measurements<'_>) -> ThresholdResult {
        let Condition { metric, comparison, .. } = self;
        let limit = self.format_limit();
        let Some(Measured { value, is_lower_bound }) = measurements.value_of(self) else {
            let text = format!("{metric} unknown, for lack of a sample, {} {limit} is required", comparison.negated());
            return self.result(Action::FailIf, false, (None, false), text);
        };
        let holds = comparison.holds(value, self.limit_value());
        let is_open = is_lower_bound && holds != comparison.is_of_large_values();
        let shown = self.format_value(value);
        let text = match (is_lower_bound, is_open) {
            (_, true) => format!("{metric} at least {shown}, so it may be {comparison} {limit}"),
            (true, false) => format!("{metric} at least {shown} {} {limit}", self.what_holds(holds)),
            (false, false) => format!("{metric} {shown} {} {limit}", self.what_holds(holds)),
        };
        self.result(Action::FailIf, !holds && !is_open, (Some(value), is_lower_bound), text)
    }

    fn what_holds(&self, holds: bool) -> super::condition::Comparison {
        if holds { self.comparison } else { self.comparison.negated() }
    }

    /// A result in the units of JSON: times in us.
    pub(super) fn result(
        &self,
        action: Action,
        passed: bool,
        (value, is_lower_bound): (Option<f64>, bool),
        text: String,
    ) -> ThresholdResult {
        let (unit, scale) = match (self.limit, self.metric) {
            (Quantity::Time(_), _) => ("us", 1e3),
            (Quantity::Percent(_), _) => ("percent", 1.0),
            (Quantity::Number(_), Metric::Rate) => ("1/s", 1.0),
            (Quantity::Number(_), _) => ("", 1.0),
        };
        ThresholdResult {
            condition: self.to_string(),
            action,
            passed,
            value: value.map(|value| value / scale),
            limit: self.limit_value() / scale,
            unit: unit.to_owned(),
            is_lower_bound,
            text,
        }
    }
}
