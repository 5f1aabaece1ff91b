//! `metawrk restore`: undoes the faults that a dead run left on.

use std::process::ExitCode;

use crate::docker::inside::{self, Question};
use crate::fault::keeper::journal::Entry;
use crate::fault::keeper::restore;
use crate::fault::keeper::restore::Restoration;
use crate::out::{say, warn};

/// # Errors
/// Where the journals cannot be read. A fault that could not be undone is a warning, and the exit code is 1.
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
                let why = "another run, or its keeper, is at work on it. End that run, or try again in a minute";
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

/// `container db, pause of 2026-01-02T03:04:05Z`
fn fault(entry: &Entry) -> String {
    format!("{}, {} of {}", entry.target(), entry.kind, entry.since)
}

/// `metawrk inside`: the answer to a question, in a container of our image.
///
/// # Errors
/// What is no question.
pub fn inside(question: &str) -> anyhow::Result<ExitCode> {
    let question: Question = serde_json::from_str(question)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(inside::answer(&question));
    // A name may still be looked up.
    runtime.shutdown_background();
    say(&serde_json::to_string(&answer)?)?;
    Ok(ExitCode::SUCCESS)
}
