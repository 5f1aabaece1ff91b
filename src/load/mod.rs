//! The load generator: threads that send the requests of a plan when they are due, and record how each of them ends.
//!
//! [`Load`](crate::Load) does all of it in one call. In steps: [`PreparedLoad::new`] connects and checks the script, [`PreparedLoad::start`] starts the load on a
//! [`Clock`](crate::record::Clock), and [`RunningLoad::finish`] joins the results of the threads.

pub(crate) mod builder;
mod error;
mod generator;
mod local;
mod main_script;
pub(crate) mod one_request;
mod options;
mod pacing;
pub mod plan;
pub(crate) mod preflight;
mod request_counter;
mod result;
mod run;
mod thread;
mod transport;

pub use builder::{IntervalStatistics, RunError};
pub use error::LoadError;
pub use main_script::DoneArguments;
pub use plan::{LoadPlan, LoadSettings};
pub use result::LoadResult;
pub use run::{LoadControl, PreparedLoad, RunningLoad};
pub use thread::connection_counts::ConnectionCounts;
pub use thread::metrics::LiveCounters;
pub use thread::rate_sampler::RateSampler;
pub use thread::result::WorkerResult;
pub use thread::thread_times::ThreadTimes;
pub use transport::tls::TlsError;

// Loads on several generators are not public API: their tests need these.
#[doc(hidden)]
pub use generator::{ActiveLoad, Generator, GeneratorResult, PartsProgress, ReadyLoad};

pub(crate) use local::{LoadedLoads, LocalGenerator};
pub(crate) use main_script::{MainScript, WorkerScript};
pub(crate) use options::write_options;
pub(crate) use request_counter::RequestCounter;
pub(crate) use run::LoadedLoad;
