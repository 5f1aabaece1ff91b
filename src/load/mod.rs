//! The generator: threads that send what the plan schedules, when it is due, and record what came of it.
//!
//! [`Prepared::new`] connects and verifies, [`Prepared::start`] begins on a [`Clock`](crate::record::Clock),
//! [`Running::finish`] joins what the threads leave.

mod backoff;
mod connection;
mod core;
mod dispatch;
mod http2;
mod log;
pub mod plan;
mod requests;
mod run;
mod sampler;
mod tls;
mod transport;
mod worker;

pub use log::{Latencies, Live, calibrated_interval};
pub use plan::{LoadPlan, LoadSettings};
pub use run::{Control, LoadError, Loaded, Prepared, Running};
pub use tls::TlsError;
pub use worker::Left;
