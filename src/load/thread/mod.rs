//! One thread of the generator: its main loop, the state that its tasks share, and what it measures.

pub mod metrics;
pub mod rate_sampler;
pub mod requests;
pub mod slot;
pub mod state;
pub mod worker;
