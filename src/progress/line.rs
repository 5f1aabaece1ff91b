//! The progress line of a terminal.

use super::format::format_fields;
use super::{Progress, ProgressOutput, StatusLine};

/// Shows progress on one line of the terminal at standard error.
#[derive(Default)]
pub struct LineOutput(StatusLine);

impl LineOutput {
    /// Shows that the run starts, until the first progress is known.
    pub fn starting() -> LineOutput {
        let mut line = StatusLine::new();
        line.show("starting");
        LineOutput(line)
    }
}

impl ProgressOutput for LineOutput {
    fn show(&mut self, progress: &Progress) {
        let mut fields = format_fields(progress);
        // What happened in the last second is seen even on a narrow terminal.
        if let Some(event) = progress.events.last() {
            fields.insert(1, event.text.clone());
        }
        self.0.show(&fields.join("  "));
    }

    /// The records of several generators do not travel just for a line.
    fn needs_records(&self) -> bool {
        false
    }
}
