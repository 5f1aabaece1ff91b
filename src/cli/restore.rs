//! `metawrk restore`: what runs that died have left on containers, undone.

use std::process::ExitCode;

use crate::docker::inside::{self, Question};
use crate::fault::keeper::restore;
use crate::fault::keeper::restore::Restored;
use crate::out::{say, warn};

/// # Errors
/// Where the journals can't be read. What could not be undone is told, and makes a failure.
pub fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restored = runtime.block_on(restore::all())?;
    if restored.is_empty() {
        say("nothing to undo\n")?;
    }
    let mut code = ExitCode::SUCCESS;
    for one in &restored {
        match one {
            Restored::Undone(entry, said) => {
                say(&format!("{}: `{}` of {} undone: {said}\n", entry.subject().name, entry.kind, entry.since))?
            }
            Restored::Gone(entry) => {
                say(&format!("{}: no longer there, so no `{}` is left to undo\n", entry.subject().name, entry.kind))?
            }
            Restored::Held(entry) => {
                warn(&format!(
                    "{}: a run, or its keeper, is still at work on the `{}` of {}: end the run, or try again in a minute",
                    entry.subject().name,
                    entry.kind,
                    entry.since
                ));
                code = ExitCode::FAILURE;
            }
            Restored::Failed(entry, why) => {
                match entry {
                    Some(entry) => warn(&format!(
                        "{}: `{}` of {} is not undone: {why}",
                        entry.subject().name,
                        entry.kind,
                        entry.since
                    )),
                    None => warn(why),
                }
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
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
