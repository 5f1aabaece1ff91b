//! The load generator: threads that send the requests of a plan when they are due, and record how each of them ends.
//!
//! [`PreparedLoad::new`] connects and checks the script, [`PreparedLoad::start`] starts the load on a
//! [`Clock`](crate::record::Clock), and [`RunningLoad::finish`] joins the results of the threads.

mod error;
mod generator;
mod local;
mod main_script;
pub mod one_request;
mod options;
mod pacing;
pub mod plan;
pub mod preflight;
mod request_counter;
mod result;
mod run;
mod thread;
mod transport;

pub use error::LoadError;
pub use generator::{ActiveLoad, Generator, GeneratorResult, PartsProgress, ReadyLoad};
pub use local::{LoadedLoads, LocalGenerator, PreparedLoads, RunningLoads};
pub(crate) use main_script::MainScript;
pub use main_script::{DoneArguments, WorkerScript};
pub use options::write_options;
pub use plan::{LoadPlan, LoadSettings};
pub use request_counter::RequestCounter;
pub use result::LoadResult;
pub use run::{LoadControl, LoadedLoad, PreparedLoad, RunningLoad};
pub use thread::connection_counts::ConnectionCounts;
pub use thread::metrics::LiveCounters;
pub use thread::rate_sampler::RateSampler;
pub use thread::result::WorkerResult;
pub use thread::thread_times::ThreadTimes;
pub use transport::tls::TlsError;
