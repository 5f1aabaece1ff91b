use std::fmt;

use serde::{Deserialize, Serialize};

use crate::docker::Details;
use crate::fault::FaultError;
use crate::fault::error::RESTORE;

/// The container that a fault is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerTarget {
    pub id: String,
    pub name: String,
    /// It ran before the fault, and so must run after it. Journals of older versions leave it out.
    #[serde(default)]
    pub ran: bool,
}

impl ContainerTarget {
    pub(crate) fn of(details: &Details) -> ContainerTarget {
        ContainerTarget { id: details.id.clone(), name: details.name.clone(), ran: details.running }
    }

    /// The container of a fault that needs a running one.
    ///
    /// # Errors
    /// Where it does not run.
    pub(crate) fn running(details: &Details, action: &'static str) -> Result<ContainerTarget, FaultError> {
        let target = ContainerTarget::of(details);
        let refused = |why: &str, remedy| Err(target.refused(action, why, remedy));
        match (details.running, details.paused) {
            (true, false) => Ok(target),
            (true, true) => refused("it is paused already", "Run `docker unpause` first."),
            (false, _) => refused("it does not run", "Run `docker start` first."),
        }
    }

    /// After the fault: a container that ran before must run again.
    ///
    /// # Errors
    /// Where it does not.
    pub(crate) fn check_running(&self, now: &Details) -> Result<(), FaultError> {
        match self.ran && !now.running {
            true => {
                let why = "it does not run any more, and did before the fault";
                Err(self.refused("verify the return of", why, "`docker logs` shows why; start it with `docker start`."))
            }
            false => Ok(()),
        }
    }

    /// A step that failed: for `map_err`.
    pub(crate) fn failed<E: ToString>(&self, action: &'static str) -> impl Fn(E) -> FaultError + use<E> {
        FaultError::new(action, self.to_string(), RESTORE)
    }

    /// The same, of a step before anything was changed.
    pub(crate) fn untouched<E: ToString>(&self, action: &'static str) -> impl Fn(E) -> FaultError + use<E> {
        FaultError::new(action, self.to_string(), "Nothing was changed.")
    }

    /// What cannot be done, for a reason that has a remedy of its own.
    pub(crate) fn refused(&self, action: &'static str, why: &str, remedy: &'static str) -> FaultError {
        FaultError::new(action, self.to_string(), remedy)(why)
    }
}

impl fmt::Display for ContainerTarget {
    /// `container db`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {}", self.name)
    }
}
