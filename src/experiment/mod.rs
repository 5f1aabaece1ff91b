//! An experiment: load, faults and monitors on one clock.

pub mod check;
mod journal;
pub mod progress;
mod removal;
pub mod run;
mod system;
