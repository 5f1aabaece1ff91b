use serde::{Deserialize, Serialize};

use crate::docker::Details;
use crate::fault::FaultError;

/// The container that a fault is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub id: String,
    pub name: String,
    /// It ran before the fault, and so is to run after it. Journals of older versions don't say.
    #[serde(default)]
    pub ran: bool,
}

impl Subject {
    pub(crate) fn of(details: &Details) -> Subject {
        Subject { id: details.id.clone(), name: details.name.clone(), ran: details.running }
    }

    /// The container of a fault that takes one that runs.
    ///
    /// # Errors
    /// Where it does not.
    pub(crate) fn running(details: &Details, what: &'static str) -> Result<Subject, FaultError> {
        let subject = Subject::of(details);
        let refused = |why: &str, remedy| Err(subject.refused(what, why, remedy));
        match (details.running, details.paused) {
            (true, false) => Ok(subject),
            (true, true) => refused("it is paused already", "`docker unpause` it first"),
            (false, _) => refused("it does not run", "`docker start` it first"),
        }
    }

    /// After the fault: no container is as before that is dead where it ran.
    ///
    /// # Errors
    /// Where it is.
    pub(crate) fn still_runs(&self, now: &Details) -> Result<(), FaultError> {
        match self.ran && !now.running {
            true => {
                let why = "it does not run any more, and did before the fault";
                Err(self.refused("verify the return of", why, "see `docker logs` for why, and `docker start` it"))
            }
            false => Ok(()),
        }
    }

    /// A step that failed: for `map_err`, too.
    pub(crate) fn failed<E: ToString>(&self, what: &'static str) -> impl Fn(E) -> FaultError {
        self.error(what, "`metawrk restore` undoes what is still done to a container")
    }

    /// The same, of a step before anything was touched.
    pub(crate) fn untouched<E: ToString>(&self, what: &'static str) -> impl Fn(E) -> FaultError {
        self.error(what, "nothing was touched")
    }

    /// What can't be, for a reason that has a remedy of its own.
    pub(crate) fn refused(&self, what: &'static str, why: &str, remedy: &'static str) -> FaultError {
        self.error(what, remedy)(why)
    }

    fn error<E: ToString>(&self, what: &'static str, remedy: &'static str) -> impl Fn(E) -> FaultError + use<E> {
        let on = format!("container {}", self.name);
        move |why| FaultError { what: what.into(), on: on.clone(), why: why.to_string(), remedy: remedy.into() }
    }
}
