//! The keeper: a process of its own that applies and removes faults whose targets outlive the run, whatever becomes of
//! the run.

pub mod client;
pub mod journal;
mod messages;
pub mod process;
pub mod restore;
