//! An experiment: load, faults and monitors on one clock, and what it all meant.
//!
//! The only room that knows load, faults, monitors and report together. Everything here but the run itself is pure:
//! from text to plan ([`config`], [`plan`]), from records to goodput and verdict ([`goodput`], [`verdict`]), from a
//! results folder to a report's story ([`story`]).

pub mod check;
pub mod config;
pub mod goodput;
mod journal;
pub mod plan;
pub mod progress;
mod removal;
pub mod run;
pub mod settings;
mod source;
pub mod story;
mod system;
pub mod timeline;
mod trend;
pub mod verdict;

pub use config::{Overrides, load};
pub use plan::ExperimentPlan;
pub use source::ConfigError;
pub use verdict::{Judgement, Verdict, judge};
