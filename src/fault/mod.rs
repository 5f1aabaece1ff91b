//! What is done to a system under test, and undone again: one file a fault, which has its spec (the keys in a plan), its
//! checks, its snapshot (what undoing needs) and its steps. `registry.rs` lists them all. [`drive()`] carries out the steps
//! when they are due.
//!
//! A fault on a container or a process outlives a run that dies during it, unless something removes it. So a process of its own, the
//! keeper, carries out its steps ([`KeeperClient`] forwards them). It first writes what undoing needs ([`UndoRecord`]) to
//! the [`journal`](keeper::journal), and removes the fault when the run is gone. If the keeper dies too,
//! [`restore`](keeper::restore) undoes what the journal still lists.

mod command;
pub mod container;
mod drive;
mod error;
mod group;
pub mod keeper;
mod kept;
mod keys;
pub mod link;
pub mod process;
mod registry;
mod spec;
mod step_report;
mod stress_cpu;
pub mod surge;

use std::future::Future;
use std::pin::Pin;

pub use drive::{Outcome, Schedule, drive};
pub use error::FaultError;
pub use group::FaultGroup;
pub use keeper::client::KeeperClient;
pub use kept::{Machine, Target};
pub use keys::InvalidKey;
pub use link::{CutKind, LinkBandwidth, LinkCut, LinkDelay, LinkLoss, LinkSpec, ProxyAddress, ProxyEffect, ProxyFault};
pub use registry::{FaultSpec, KeptFault, LinkFault, LoadFault, UndoRecord, examples};
pub use spec::{CheckContext, Spec, TargetName};
pub use step_report::StepReport;
pub use stress_cpu::run_busy_process;
pub use surge::{LoadCount, LoadSpec, Surge};

/// A step under way. It ends with a report of what it did or verified.
pub type StepFuture<'a> = Pin<Box<dyn Future<Output = Result<StepReport, FaultError>> + Send + 'a>>;

/// A fault that can be applied and removed. Each step takes seconds at most; removing what was not applied is fine.
pub trait Fault: Send {
    /// Its name in plans and reports: `link-cut`.
    fn kind(&self) -> &str;

    fn apply(&mut self) -> StepFuture<'_>;

    /// Verifies that it took effect.
    fn verify_applied(&mut self) -> StepFuture<'_>;

    fn remove(&mut self) -> StepFuture<'_>;

    /// Verifies that all is as before.
    fn verify_removed(&mut self) -> StepFuture<'_>;
}
