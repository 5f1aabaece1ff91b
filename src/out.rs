//! Standard output and standard error, whoever reads them or no longer does.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Prints `text` as it is. A reader that has left (`| head -1`) wants no more, and that is no error.
///
/// # Errors
/// Where the text is lost, as on a full disk.
pub fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// Prints a line to standard error.
pub fn warn(text: &str) {
    // Nobody is left to tell where this can't be printed.
    let _ = writeln!(io::stderr(), "{text}");
}
