//! Thresholds: conditions on the numbers of a run, such as `p99>50ms`. `--fail-if` and `--abort-if` of a load and
//! `[[threshold]]` of an experiment file have the same parser and the same evaluation. Pure.

mod abort;
mod condition;
mod evaluation;
mod metric;
#[cfg(test)]
mod tests;
mod watch;

pub use abort::AbortCondition;
pub use condition::{Comparison, Condition, ConditionError, Quantity};
pub use evaluation::{Action, Measurements, ThresholdResult};
pub use metric::{Metric, Statistic};
pub use watch::{AbortWatch, WatchedLoad};

use crate::record::Abort;

/// The thresholds of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// The run fails at its end if one of these holds.
    pub fail_if: Vec<Condition>,
    /// The run is ended when one of these holds.
    pub abort_if: Vec<AbortCondition>,
}

impl Thresholds {
    pub fn is_empty(&self) -> bool {
        self.fail_if.is_empty() && self.abort_if.is_empty()
    }

    /// Whether one of them is about goodput, and so needs an SLO.
    pub fn needs_slo(&self) -> bool {
        self.conditions().any(Condition::needs_slo)
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.fail_if.iter().chain(self.abort_if.iter().map(|abort| &abort.condition))
    }

    /// What ended a run, in words: `errors 63 % > 50 % over 5s, at 12.0 s`.
    pub fn describe(&self, abort: &Abort) -> String {
        let held = self.abort_if.iter().find(|condition| condition.to_string() == abort.condition);
        held.map_or_else(|| abort.condition.clone(), |condition| condition.result(Some(abort)).text)
    }

    /// The results of a run that has ended: first of `fail_if`, then of `abort_if`. `aborted` is what a watch has said.
    pub fn evaluate(&self, measurements: &Measurements<'_>, aborted: Option<&Abort>) -> Vec<ThresholdResult> {
        let of_run = self.fail_if.iter().map(|condition| condition.evaluate(measurements));
        of_run.chain(self.abort_if.iter().map(|abort| abort.result(aborted))).collect()
    }
}
