//! Printing to standard output and standard error.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Prints `text` to standard output. A closed pipe (`| head -1`) is not an error.
///
/// # Errors
/// If the text could not be written, as on a full disk.
pub fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// Prints a line to standard error.
pub fn warn(text: &str) {
    // If standard error cannot be written, there is no other place to report that.
    let _ = writeln!(io::stderr(), "{text}");
}
