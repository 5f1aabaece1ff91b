use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a step of a fault failed: `cannot pause container db: it is paused already. Run docker unpause first.`
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub struct FaultError {
    /// The verb of what was tried: `pause`, `verify the removal of a pause from`.
    pub action: Cow<'static, str>,
    /// What it was tried on: `container db`.
    pub target: String,
    pub why: String,
    /// A whole sentence: what to do now.
    pub remedy: Cow<'static, str>,
}

/// The remedy where something may be left of a fault.
pub(crate) const RESTORE: &str = "Run `metawrk restore` to undo what is left of the fault.";

impl FaultError {
    /// The error of a step after which the fault is removed at once: if that succeeds, nothing is left to restore.
    #[must_use]
    pub(crate) fn before_removal(mut self) -> FaultError {
        if self.remedy == RESTORE {
            self.remedy = Cow::Borrowed("");
        }
        self
    }

    /// For `map_err`.
    pub(crate) fn new<E: ToString>(
        action: impl Into<Cow<'static, str>>,
        target: impl Into<String>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> impl Fn(E) -> FaultError {
        let (action, target, remedy) = (action.into(), target.into(), remedy.into());
        move |why| FaultError {
            action: action.clone(),
            target: target.clone(),
            why: why.to_string(),
            remedy: remedy.clone(),
        }
    }
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultError { action, target, why, remedy } = self;
        write!(f, "cannot {action} {target}: {}", why.trim_end_matches('.'))?;
        // A reason that was passed on may bring its remedy along.
        if remedy.is_empty() { Ok(()) } else { write!(f, ". {remedy}") }
    }
}
