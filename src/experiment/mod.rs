//! An experiment: load, faults and monitors on one clock.

pub mod check;
pub mod containers;
mod monitors;
mod overlap;
mod phase;
mod processes;
mod proxies;
mod removal;
pub mod run;
mod run_log;
mod runner;
mod set_on_drop;
mod stalls;
mod start_error;
mod system;
mod watched_load;

pub use processes::RunningProcess;
pub use run::{RunError, RunOptions, RunResult};
pub use runner::{ExperimentRunner, run_experiment};
pub use start_error::StartError;
