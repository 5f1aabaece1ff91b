//! An experiment: load, faults and monitors on one clock.

pub mod check;
pub mod containers;
mod overlap;
pub mod progress;
mod removal;
pub mod run;
mod run_log;
mod stalls;
mod system;

pub use run::{RunError, RunOptions, RunResult, run_experiment};
