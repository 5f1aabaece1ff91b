//! The thresholds of a plan.

use super::error::InvalidSetting;
use super::settings::ThresholdSetting;
use crate::threshold::{AbortCondition, Condition, Thresholds};

/// # Errors
/// [`InvalidSetting`] for a text that is not a condition, a section without one, or a goodput that cannot be known while the
/// run goes on.
pub fn resolve_thresholds(settings: &[ThresholdSetting], has_slo: bool) -> Result<Thresholds, InvalidSetting> {
    let mut thresholds = Thresholds::default();
    for (i, setting) in settings.iter().enumerate() {
        let invalid = |key: &str, why: String| InvalidSetting::new(format!("threshold.{i}{key}"), why);
        match setting {
            ThresholdSetting { fail_if: Some(text), abort_if: None } => {
                let condition = text.parse::<Condition>().map_err(|error| invalid(".fail-if", error.to_string()))?;
                thresholds.fail_if.push(condition);
            }
            ThresholdSetting { fail_if: None, abort_if: Some(text) } => {
                let condition =
                    text.parse::<AbortCondition>().map_err(|error| invalid(".abort-if", error.to_string()))?;
                if condition.condition.needs_slo() && !has_slo {
                    let why = "goodput needs an SLO while the run goes on. Set slo in [verdict].";
                    return Err(invalid(".abort-if", why.to_owned()));
                }
                thresholds.abort_if.push(condition);
            }
            _ => {
                let why = "needs either fail-if or abort-if, such as fail-if = \"p99>50ms\"";
                return Err(invalid("", why.to_owned()));
            }
        }
    }
    Ok(thresholds)
}

/// The thresholds as in an experiment file.
pub fn to_settings(thresholds: &Thresholds) -> Vec<ThresholdSetting> {
    let fail_if = thresholds
        .fail_if
        .iter()
        .map(|condition| ThresholdSetting { fail_if: Some(condition.to_string()), abort_if: None });
    let abort_if = thresholds
        .abort_if
        .iter()
        .map(|condition| ThresholdSetting { fail_if: None, abort_if: Some(condition.to_string()) });
    fail_if.chain(abort_if).collect()
}
