//! The records of a run: a [`RequestRecord`] per attempt, events, samples, latency histograms, and the files that hold
//! them.
//!
//! All instants are on one clock: nanoseconds of `CLOCK_MONOTONIC` since the start of load ([`Clock`]).

mod account;
#[cfg(test)]
pub(crate) mod arbitrary;
mod cause;
mod clock;
mod columns;
mod csv;
#[doc(hidden)]
pub mod digest;
pub mod event;
mod file_error;
#[doc(hidden)]
pub mod folder;
pub(crate) mod histogram;
mod latencies;
mod latency_file;
#[doc(hidden)]
pub mod lines;
mod lower_bounds;
mod origin;
mod outcome;
mod output_file;
mod p99;
pub mod parquet;
mod part;
mod recording;
mod request_record;
mod response_time;
#[doc(hidden)]
pub mod rows;
#[doc(hidden)]
pub mod sample;
pub mod sink;
mod temp_rows;

pub use account::{Account, ErrorCounts};
pub use cause::{CauseCount, ErrorCause, ErrorCauses};
pub use clock::{Clock, WallReading};
pub use file_error::FileError;
pub use latencies::Latencies;
pub use lower_bounds::LowerBounds;
pub use outcome::Outcome;
pub use part::PartStats;
pub use recording::create_recording;
pub use request_record::RequestRecord;
pub use response_time::ResponseTime;

// What the programs write is not public API.
#[doc(hidden)]
pub use event::{Abort, Event, EventKind, FaultStep};
#[doc(hidden)]
pub use folder::{FolderError, ResultsFolder, RunData};
#[doc(hidden)]
pub use latency_file::{LatencyFile, LatencyLines};
#[doc(hidden)]
pub use origin::{Host, RunOrigin};
#[doc(hidden)]
pub use output_file::OutputFile;
#[doc(hidden)]
pub use p99::P99Files;
#[doc(hidden)]
pub use sample::Sample;
#[doc(hidden)]
pub use temp_rows::TempRows;
