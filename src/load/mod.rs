//! The generator: threads that send what the plan schedules, when it is due, and record what came of it.
//!
//! [`Prepared::new`] connects and verifies, [`Prepared::start`] begins on a [`Clock`](crate::record::Clock),
//! [`Running::finish`] joins what the threads leave.

mod error;
mod main_script;
mod pacing;
pub mod plan;
pub mod preflight;
mod result;
mod run;
mod thread;
mod traffic;
mod transport;

pub use error::LoadError;
pub use main_script::DoneArguments;
pub use plan::{LoadPlan, LoadSettings};
pub use result::LoadResult;
pub use run::{Control, Prepared, Running};
pub use thread::metrics::{LiveCounters, calibrated_interval};
pub use thread::worker::WorkerResult;
pub use traffic::Traffic;
pub use transport::tls::TlsError;
