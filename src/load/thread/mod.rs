//! One thread of the generator, a worker: its setup, the state that its tasks share, and what it measures.

pub mod connection_counts;
pub mod custody;
pub mod messages;
pub mod metrics;
pub mod rate_sampler;
pub mod requests;
pub mod result;
pub mod script_run;
pub mod slot;
pub mod state;
pub mod thread_times;
pub mod timestamp_mapper;
pub mod watch;
pub mod worker;
