//! Printing to standard output and standard error.
//!
//! Texts may quote what others wrote: names of containers, events of a results folder, messages of servers. None of that
//! may control the terminal, so everything that is printed goes through [`printable`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use anyhow::Context;
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

/// Prints `text` to standard output. A closed pipe (`| head -1`) or terminal is not an error.
///
/// # Errors
/// If the text could not be written, as on a full disk.
pub fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(printable(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !has_no_reader(&error, &out) => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// Sends what this process writes to standard output from now on to standard error: its own text, what scripts and C
/// modules print, and what child processes write. Standard output then holds only what a copy of it writes, made before.
///
/// # Errors
/// If standard error is closed.
pub fn redirect_to_stderr() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdout(io::stderr())?)
}

/// Prints a line to standard error.
pub fn warn(text: &str) {
    // If standard error cannot be written, there is no other place to report that.
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// `text` with an escape such as `\x1b` for each control character but line ends and tabs. So are characters that change
/// the direction of what follows.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| c == '\n' || c == '\t' || !(c.is_control() || changes_direction(c));
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a string does not fail.
        let _ = match u32::from(c) {
            _ if is_harmless(c) => escaped.write_char(c),
            code @ 0..0x100 => write!(escaped, "\\x{code:02x}"),
            code => write!(escaped, "\\u{{{code:x}}}"),
        };
    }
    Cow::Owned(escaped)
}

/// The bidirectional formatting characters of Unicode.
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The most characters of a text of a server in a message.
const EXCERPT: usize = 200;

/// The start of a text that somebody else made as long as they liked, on one line.
pub fn excerpt(text: &str) -> String {
    let line = |c: char| if c == '\n' || c == '\t' { ' ' } else { c };
    let start: String = text.chars().map(line).take(EXCERPT).collect();
    if text.chars().nth(EXCERPT).is_some() { start + "..." } else { start }
}

/// Whether nothing reads the output any more: the pipe or the terminal is closed.
fn has_no_reader(error: &io::Error, out: &impl AsFd) -> bool {
    let is_device =
        || fstat(out).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice);
    error.kind() == ErrorKind::BrokenPipe || Errno::from_io_error(error) == Some(Errno::IO) && is_device()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_text_is_unchanged() {
        let text = "Größe 1 µs\t→ 漢字 😀\n  second line";
        assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        let title = "db\x1b]0;owned\x07 died\x1b[2J\r\0\x7f\u{9b}31m";
        assert_eq!(printable(title), r"db\x1b]0;owned\x07 died\x1b[2J\x0d\x00\x7f\x9b31m");
        assert_eq!(printable("a\u{202e}b"), r"a\u{202e}b");
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt("going\naway"), "going away");
        let long = excerpt(&"é".repeat(100_000));
        assert_eq!((long.chars().count(), long.ends_with("é...")), (EXCERPT + 3, true));
    }
}
