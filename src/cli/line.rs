use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// One line on standard error that tells how it goes: on a terminal only, without colours. Gone when dropped.
pub struct Line(Option<ProgressBar>);

impl Line {
    /// Whether there is a terminal for it.
    pub fn can_be_seen() -> bool {
        std::io::stderr().is_terminal()
    }

    pub fn new() -> Line {
        let bar = Line::can_be_seen().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_message("getting ready");
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Line(bar)
    }

    pub fn show(&self, text: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(text);
        }
    }
}

impl Drop for Line {
    /// Leaves no trace of it: what is printed next must not be written into it.
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
        let _ = std::io::stderr().flush();
    }
}
