use serde::{Deserialize, Serialize};

use super::FaultError;
use crate::docker::Details;

/// The container that a fault is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub id: String,
    pub name: String,
}

impl Subject {
    pub(super) fn of(details: &Details) -> Subject {
        Subject { id: details.id.clone(), name: details.name.clone() }
    }

    /// A step that failed: for `map_err`, too.
    pub(super) fn failed<E: ToString>(&self, what: &'static str) -> impl Fn(E) -> FaultError {
        let on = format!("container {}", self.name);
        let remedy = "`metawrk restore` undoes what is still done to a container";
        move |why| FaultError { what: what.into(), on: on.clone(), why: why.to_string(), remedy: remedy.into() }
    }

    /// A fault that can't be done to it, found before anything was touched.
    pub(super) fn refused(&self, what: &'static str, why: &str, remedy: &'static str) -> FaultError {
        let on = format!("container {}", self.name);
        FaultError { what: what.into(), on, why: why.to_owned(), remedy: remedy.into() }
    }
}
