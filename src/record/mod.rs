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
pub mod digest;
pub mod event;
mod file_error;
pub mod folder;
pub(crate) mod histogram;
mod latencies;
mod latency_file;
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
pub mod rows;
pub mod sample;
pub mod sink;
mod temp_rows;

pub use account::{Account, ErrorCounts};
pub use cause::{CauseCount, ErrorCause, ErrorCauses};
pub use clock::{Clock, WallReading};
pub use event::{Abort, Event, EventKind, FaultStep};
pub use file_error::FileError;
pub use folder::{FolderError, ResultsFolder, RunData};
pub use latencies::Latencies;
pub use latency_file::{LatencyFile, LatencyLines};
pub use lower_bounds::LowerBounds;
pub use origin::{Host, RunOrigin};
pub use outcome::Outcome;
pub use output_file::OutputFile;
pub use p99::P99Files;
pub use part::PartStats;
pub use recording::create_recording;
pub use request_record::RequestRecord;
pub use sample::Sample;
pub use temp_rows::TempRows;
