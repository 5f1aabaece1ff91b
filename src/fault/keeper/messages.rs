//! What a run and its keeper say to each other, a line of JSON each.

use serde::{Deserialize, Serialize};

use crate::fault::{FaultError, KeptFault, StepReport, Target};
use crate::units::Time;

/// The first line to a keeper: its fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Assignment {
    /// The address of the container's engine; none for a fault on something else.
    #[serde(default)]
    pub host: Option<String>,
    pub fault: KeptFault,
    /// How long the fault lasts.
    pub lasting: Time,
}

/// The answer: the target that was found.
pub(crate) type AssignmentAnswer = Result<Target, FaultError>;

/// A further line to a keeper: a step of its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepRequest {
    /// The answer has the same.
    pub number: u64,
    pub step: FaultAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultAction {
    Apply,
    VerifyApplied,
    Remove,
    VerifyRemoved,
}

/// The answer to that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepAnswer {
    pub number: u64,
    pub result: Result<StepReport, FaultError>,
}
