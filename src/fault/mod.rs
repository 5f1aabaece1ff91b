//! What is done to a system under test, and undone again: one file a fault.
//!
//! To add one: a type with its [`Fault`], whose steps each end by themselves. [`drive`] does them when they are due.
//!
//! A fault on a container outlives the run that dies amid it, unless somebody removes it: so a process of its own does
//! its steps ([`KeeperClient`] forwards them), writes down first what undoing takes ([`UndoRecord`]), and removes it when the run is
//! gone. Where that one dies too, [`restore`] does what the [`journal`] still lists.

pub mod container;
mod drive;
pub mod keeper;
pub mod link;
mod step_report;
pub mod surge;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

pub use container::ContainerFault;
pub use container::subject::Subject;
pub use drive::{Outcome, Schedule, drive};
pub use keeper::client::KeeperClient;
pub use keeper::undo::UndoRecord;
pub use link::{CutLink, DelayLink, LimitLink, LossyLink};
pub use step_report::StepReport;
pub use surge::Surge;

/// A step under way. It ends with what there is to say about it.
pub type StepFuture<'a> = Pin<Box<dyn Future<Output = Result<StepReport, FaultError>> + Send + 'a>>;

/// Something that can be done to a system, and undone. Each step takes seconds at most; undoing what was not done is fine.
pub trait Fault: Send {
    /// Its name in plans and reports: `cut-link`.
    fn kind(&self) -> &str;

    fn apply(&mut self) -> StepFuture<'_>;

    /// Looks whether it took effect.
    fn verify_applied(&mut self) -> StepFuture<'_>;

    fn remove(&mut self) -> StepFuture<'_>;

    /// Looks whether all is as before.
    fn verify_removed(&mut self) -> StepFuture<'_>;

    /// When what was verified last came about, in ns on the run's clock, where that is known better than that it was
    /// before now.
    fn since(&self) -> Option<u64> {
        None
    }
}

/// Why a step of a fault failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{what} {on}: {why}; {remedy}")]
pub struct FaultError {
    /// What was tried.
    pub what: Cow<'static, str>,
    /// On what.
    pub on: String,
    pub why: String,
    /// What now.
    pub remedy: Cow<'static, str>,
}
