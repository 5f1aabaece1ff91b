use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::out::printable;

/// One line on standard error that shows the progress of a run, without colours. Shown only on a terminal, and erased
/// when dropped.
pub struct ProgressLine(Option<ProgressBar>);

impl ProgressLine {
    /// Whether standard error is a terminal.
    pub fn is_visible() -> bool {
        std::io::stderr().is_terminal()
    }

    pub fn new() -> ProgressLine {
        let bar = ProgressLine::is_visible().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_message("starting");
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        ProgressLine(bar)
    }

    pub fn show(&self, text: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(printable(&text).into_owned());
        }
    }
}

impl Drop for ProgressLine {
    /// Erases the line, so that later output does not mix with it.
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
        let _ = std::io::stderr().flush();
    }
}
