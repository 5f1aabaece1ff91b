//! Conditions that end a run: `errors>50%@5s`.

use std::fmt;
use std::str::FromStr;

use super::condition::{Condition, ConditionError};
use super::evaluation::{Action, Measurements, ThresholdResult};
use super::metric::Metric;
use crate::record::Abort;
use crate::units::{Instant, Time};

/// A condition on the last part of a run, which ends when it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AbortCondition {
    pub condition: Condition,
    /// The length of the part. It is also the earliest end.
    pub window: Time,
}

/// Without `@`.
const DEFAULT_WINDOW: Time = Time::from_secs(10);
const MIN_WINDOW: Time = Time::from_secs(1);
const MAX_WINDOW: Time = Time::from_secs(600);

/// Why a text is not a condition that can end a run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AbortConditionError {
    #[error(transparent)]
    Condition(#[from] ConditionError),
    #[error("`{0}` is not a window. Write a time from 1s to 10m after the @, for example errors>50%@5s")]
    Window(String),
    #[error("{0} is known only at the end of a run. Use it with fail-if, or choose errors")]
    OnlyAtEnd(Metric),
}

impl FromStr for AbortCondition {
    type Err = AbortConditionError;

    fn from_str(text: &str) -> Result<AbortCondition, AbortConditionError> {
        let (condition, window) = match text.rsplit_once('@') {
            None => (text, DEFAULT_WINDOW),
            Some((condition, window)) => {
                let time = window.trim().parse().ok().filter(|time| (MIN_WINDOW..=MAX_WINDOW).contains(time));
                (condition, time.ok_or_else(|| AbortConditionError::Window(window.to_owned()))?)
            }
        };
        let condition: Condition = condition.trim().parse()?;
        match condition.metric {
            metric @ (Metric::Unsent | Metric::Unanswered) => Err(AbortConditionError::OnlyAtEnd(metric)),
            _ => Ok(AbortCondition { condition, window }),
        }
    }
}

impl fmt::Display for AbortCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.condition, self.window)
    }
}

impl AbortCondition {
    /// The end of the run at `at`, if the condition holds for the numbers of the window before it.
    pub fn check(&self, at: Instant, measurements: &Measurements<'_>) -> Option<Abort> {
        let value = self.condition.holding_value(measurements)?;
        Some(Abort { condition: self.to_string(), at, value })
    }

    /// Whether a run passed, given what ended it early.
    pub fn result(&self, aborted: Option<&Abort>) -> ThresholdResult {
        let Condition { metric, comparison, .. } = self.condition;
        let (limit, window) = (self.condition.format_limit(), self.window);
        let result = match aborted.filter(|abort| abort.condition == self.to_string()) {
            Some(Abort { at, value, .. }) => {
                let shown = self.condition.format_value(*value);
                let text = format!("{metric} {shown} {comparison} {limit} over {window}, at {:.1} s", at.as_secs_f64());
                self.condition.result(Action::AbortIf, false, (Some(*value), false), text)
            }
            None => {
                let text = format!("{metric} never {comparison} {limit} over {window}");
                self.condition.result(Action::AbortIf, true, (None, false), text)
            }
        };
        ThresholdResult { condition: self.to_string(), ..result }
    }
}
