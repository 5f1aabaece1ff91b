//! The generator: threads that send what the plan schedules, when it is due, and record what came of it.

pub mod plan;

pub use plan::{LoadPlan, LoadSettings};
