use std::fmt;

use serde::{Deserialize, Serialize};

/// What a step of a fault has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// What was seen, in a few words; may be empty.
    pub text: String,
    /// What is no failure, and yet worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl StepReport {
    /// Only this warning.
    pub fn warning(warning: impl Into<String>) -> StepReport {
        StepReport { text: String::new(), warnings: vec![warning.into()] }
    }

    /// This, and what else there is to say.
    #[must_use]
    pub fn and(mut self, other: impl Into<StepReport>) -> StepReport {
        let StepReport { text, warnings } = other.into();
        let texts = [std::mem::take(&mut self.text), text];
        self.text = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        self.warnings.extend(warnings);
        self
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
        StepReport { text: text.into(), warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_together_keeps_texts_and_warnings_apart() {
        let said = StepReport::from("names as before")
            .and(StepReport::warning("its address was a; it is b"))
            .and("a peer reaches db");
        assert_eq!(said.text, "names as before; a peer reaches db");
        assert_eq!(said.warnings, ["its address was a; it is b"]);
        assert_eq!(StepReport::from("").and("x").text, "x");
    }
}
