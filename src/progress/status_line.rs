//! One line on standard error that changes while a run goes on.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use crate::out::printable;

/// The width of a terminal that does not know its width.
const DEFAULT_WIDTH: usize = 80;

/// One line on standard error that changes while a run goes on, without colours. Shown only on a terminal, and erased when
/// dropped.
pub struct StatusLine {
    is_visible: bool,
    /// What is shown.
    shown: String,
}

impl StatusLine {
    /// Whether standard error is a terminal.
    pub fn is_visible() -> bool {
        io::stderr().is_terminal()
    }

    /// An empty line.
    pub fn new() -> StatusLine {
        StatusLine { is_visible: StatusLine::is_visible(), shown: String::new() }
    }

    /// Shows fields in order of worth, which are separated by two spaces. The last ones are left out if the terminal is not
    /// wide enough.
    pub fn show(&mut self, text: &str) {
        if !self.is_visible {
            return;
        }
        let width = tcgetwinsize(io::stderr()).ok().map_or(0, |size| usize::from(size.ws_col));
        let text = printable(text);
        let fitting = fit_fields(&text, if width == 0 { DEFAULT_WIDTH } else { width });
        if fitting != self.shown {
            self.shown = fitting.to_owned();
            write_to_terminal(&draw(fitting));
        }
    }
}

impl Default for StatusLine {
    fn default() -> StatusLine {
        StatusLine::new()
    }
}

impl Drop for StatusLine {
    /// Erases the line, so that later output does not mix with it.
    fn drop(&mut self) {
        if !self.shown.is_empty() {
            write_to_terminal(ERASE);
        }
    }
}

/// From the start of the line, everything below too: a terminal that became narrower may have wrapped the line.
const ERASE: &str = "\r\x1b[J";

/// Draws the line in one write. A line that is too wide, because the terminal just became narrower, is cut and not wrapped.
/// The cursor stays at its start, so that a terminal that wraps the line later keeps the cursor in its first row, and the
/// next line erases all of it.
fn draw(text: &str) -> String {
    format!("{ERASE}\x1b[?7l{text}\x1b[?7h\r")
}

fn write_to_terminal(text: &str) {
    let mut err = io::stderr().lock();
    // If the terminal is gone, there is no other place for this.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// The leading fields of `text` that fit into `width` columns, or the start of the first one.
fn fit_fields(text: &str, width: usize) -> &str {
    let text = text.lines().next().unwrap_or_default();
    let Some((end, _)) = text.char_indices().nth(width) else { return text };
    // A field may end right at the limit.
    let ends = text.match_indices("  ").map(|(at, _)| at).take_while(|&at| at <= end);
    let fields = ends.map(|at| text[..at].trim_end()).filter(|fields| !fields.is_empty());
    fields.last().unwrap_or(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_do_not_fit_are_dropped_from_the_right() {
        let text = "  1s of 10s  100/s of 100/s  3 in flight";
        for (width, fitting) in [
            (100, text),
            (40, text),
            (39, "  1s of 10s  100/s of 100/s"),
            (27, "  1s of 10s  100/s of 100/s"),
            (26, "  1s of 10s"),
            (11, "  1s of 10s"),
            (10, "  1s of 10"),
            (0, ""),
        ] {
            assert_eq!(fit_fields(text, width), fitting, "{width}");
        }
        assert_eq!(fit_fields("größer  x", 6), "größer");
        assert_eq!(fit_fields("one\ntwo", 80), "one");
    }

    #[test]
    fn a_line_erases_the_one_before_and_leaves_the_cursor_at_its_start() {
        assert_eq!(draw("a"), "\r\x1b[J\x1b[?7la\x1b[?7h\r");
    }
}
