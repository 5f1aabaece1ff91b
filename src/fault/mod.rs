//! What is done to a system under test, and undone again: one file a fault.
//!
//! To add one: a type with its [`Fault`], whose steps each end by themselves. [`drive`] does them when they are due.

mod drive;
pub mod link;
pub mod surge;

use std::future::Future;
use std::pin::Pin;

pub use drive::{Outcome, Schedule, drive};
pub use link::{CutLink, DelayLink, LimitLink, LossyLink};
pub use surge::Surge;

/// A step under way. It ends with what there is to say about it, in a few words.
pub type Doing<'a> = Pin<Box<dyn Future<Output = Result<String, FaultError>> + Send + 'a>>;

/// Something that can be done to a system, and undone. Each step takes seconds at most; undoing what was not done is fine.
pub trait Fault: Send {
    /// Its name in plans and reports: `cut-link`.
    fn kind(&self) -> &str;

    fn apply(&mut self) -> Doing<'_>;

    /// Looks whether it took effect.
    fn verify_applied(&mut self) -> Doing<'_>;

    fn remove(&mut self) -> Doing<'_>;

    /// Looks whether all is as before.
    fn verify_removed(&mut self) -> Doing<'_>;

    /// When what was verified last came about, in ns on the run's clock, where that is known better than that it was
    /// before now.
    fn since(&self) -> Option<u64> {
        None
    }
}

/// Why a step of a fault failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {on}: {why}; {remedy}")]
pub struct FaultError {
    /// What was tried.
    pub what: &'static str,
    /// On what.
    pub on: String,
    pub why: String,
    /// What now.
    pub remedy: &'static str,
}
