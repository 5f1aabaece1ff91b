//! `metawrk restore`: removes the faults that earlier runs left behind.

use std::process::ExitCode;

use crate::fault::keeper::journal::Entry;
use crate::fault::keeper::restore;
use crate::fault::keeper::restore::Restoration;
use crate::out::{say, warn};

/// Undoes every fault that the journals of this user list. A fault that cannot be undone is a message on standard error, and
/// the exit code is then 1.
///
/// # Errors
/// If the journals cannot be read.
pub fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restored = runtime.block_on(restore::all())?;
    if restored.is_empty() {
        say("nothing to undo\n")?;
    }
    let mut code = ExitCode::SUCCESS;
    for restoration in &restored {
        match restoration {
            Restoration::Undone(entry, report) => say(&format!("{}: undone: {report}\n", fault(entry)))?,
            Restoration::Gone(entry) => say(&format!("{}: nothing to undo: the target is gone\n", fault(entry)))?,
            Restoration::Held(entry) => {
                let why = "another run, or its keeper, is still handling it. End that run, or try again in a minute.";
                warn(&format!("{}: not undone: {why}", fault(entry)));
                code = ExitCode::FAILURE;
            }
            Restoration::Failed(entry, why) => {
                match entry {
                    Some(entry) => warn(&format!("{}: not undone: {why}", fault(entry))),
                    None => warn(why),
                }
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The fault in words: `container db, pause of 2026-01-02T03:04:05Z`
fn fault(entry: &Entry) -> String {
    format!("{}, {} of {}", entry.target(), entry.kind, entry.since)
}
