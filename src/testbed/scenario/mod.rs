//! What sustains the failure, a file a scenario.

pub mod memory;
pub mod retry_storm;
