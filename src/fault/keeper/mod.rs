//! The keeper: a process of its own that applies and removes faults on containers, whatever becomes of the run.

pub mod client;
pub mod journal;
pub mod process;
pub mod restore;
pub mod undo;
