use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Time;

/// What a step of a fault did or verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// What was verified, in a few words; may be empty.
    pub text: String,
    /// Not failures, but to be reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How long before this report the step's result came about, where that is known: an engine knows when a container
    /// ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ago: Option<Time>,
}

impl StepReport {
    /// A report of one warning.
    pub fn warning(warning: impl Into<String>) -> StepReport {
        StepReport { warnings: vec![warning.into()], ..StepReport::default() }
    }

    /// This report and another one.
    #[must_use]
    pub fn and(mut self, other: impl Into<StepReport>) -> StepReport {
        let StepReport { text, warnings, ago } = other.into();
        let texts = [std::mem::take(&mut self.text), text];
        self.text = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        self.warnings.extend(warnings);
        self.ago = self.ago.or(ago);
        self
    }

    /// This report, on what came about `ago` before it.
    #[must_use]
    pub fn since(self, ago: Option<Time>) -> StepReport {
        StepReport { ago, ..self }
    }
}

impl fmt::Display for StepReport {
    /// `names as before; warning: its address was a, and is b`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Some(self.text.clone()).filter(|text| !text.is_empty());
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        f.write_str(&text.into_iter().chain(warnings).collect::<Vec<_>>().join("; "))
    }
}

impl<T: Into<String>> From<T> for StepReport {
    fn from(text: T) -> StepReport {
        StepReport { text: text.into(), ..StepReport::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_reports_keep_texts_and_warnings_apart() {
        let report = StepReport::from("names as before")
            .and(StepReport::warning("its address was a; it is b"))
            .and("a peer reaches db");
        assert_eq!(report.text, "names as before; a peer reaches db");
        assert_eq!(report.warnings, ["its address was a; it is b"]);
        assert_eq!(StepReport::from("").and("x").text, "x");
    }
}
