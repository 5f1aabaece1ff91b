//! The load generator: threads that send the requests of a plan when they are due, and record what comes of them.
//!
//! [`Prepared::new`] connects and checks the script, [`Prepared::start`] starts the load on a
//! [`Clock`](crate::record::Clock), and [`Running::finish`] joins the results of the threads.

mod error;
mod main_script;
mod options;
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
pub use options::write_options;
pub use plan::{LoadPlan, LoadSettings};
pub use result::LoadResult;
pub use run::{Control, Prepared, Running};
pub use thread::metrics::{LiveCounters, calibrated_interval};
pub use thread::result::WorkerResult;
pub use traffic::Traffic;
pub use transport::tls::TlsError;
