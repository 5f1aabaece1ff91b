//! The generator: threads that send what the plan schedules, when it is due, and record what came of it.
//!
//! [`Prepared::new`] connects and verifies, [`Prepared::start`] begins on a [`Clock`](crate::record::Clock),
//! [`Running::finish`] joins what the threads leave.

mod backoff;
mod connection;
mod core;
mod dispatch;
mod error;
mod http2;
mod lead;
mod loaded;
mod log;
mod main_script;
mod pacer;
pub mod plan;
mod pool;
pub mod preflight;
mod requests;
mod run;
mod sampler;
mod slot;
mod tls;
mod traffic;
mod transport;
mod worker;

pub use error::LoadError;
pub use loaded::Loaded;
pub use log::{Latencies, Live, calibrated_interval};
pub use main_script::Told;
pub use plan::{LoadPlan, LoadSettings};
pub use run::{Control, Prepared, Running};
pub use tls::TlsError;
pub use traffic::Traffic;
pub use worker::Left;
