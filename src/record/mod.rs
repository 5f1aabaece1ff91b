//! What happened: a record per attempt, events, samples, histograms, and the files that hold them.
//!
//! One clock orders everything: nanoseconds of `CLOCK_MONOTONIC` since the start of load ([`Clock`]).

mod account;
#[cfg(test)]
pub(crate) mod arbitrary;
mod clock;
mod columns;
mod csv;
pub mod event;
mod file_error;
pub mod folder;
mod latencies;
mod latency_file;
pub mod lines;
mod output_file;
mod p99;
pub mod parquet;
mod recording;
pub mod rows;
pub mod sample;
pub mod sink;
mod temp_rows;

pub use account::{Account, ErrorCounts};
pub use clock::Clock;
pub use event::{Event, EventKind, FaultStep};
pub use file_error::FileError;
pub use folder::{FolderError, ResultsFolder, RunData};
pub use latencies::Latencies;
pub use latency_file::{LatencyFile, format_latency_lines};
pub use output_file::OutputFile;
pub use p99::P99Files;
pub use recording::create_recording;
pub use sample::Sample;
pub use temp_rows::TempRows;

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::units::{Instant, Time};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Outcome {
    /// A whole response arrived, whatever its status.
    Answered = 0,
    /// No connection could be made.
    ConnectError = 1,
    /// The connection broke, or spoke no HTTP, before the response was whole.
    ReadError = 2,
    /// The request could not be written.
    WriteError = 3,
    /// The client gave up at its timeout and closed the connection.
    Abandoned = 4,
    /// Sent, and still without an answer when the run ended.
    Unanswered = 5,
    /// Due, and never sent before the run ended.
    Unsent = 6,
}

impl Outcome {
    pub const ALL: [Outcome; 7] = [
        Outcome::Answered,
        Outcome::ConnectError,
        Outcome::ReadError,
        Outcome::WriteError,
        Outcome::Abandoned,
        Outcome::Unanswered,
        Outcome::Unsent,
    ];

    /// The name in files: `answered`, `connect-error`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::ConnectError => "connect-error",
            Outcome::ReadError => "read-error",
            Outcome::WriteError => "write-error",
            Outcome::Abandoned => "abandoned",
            Outcome::Unanswered => "unanswered",
            Outcome::Unsent => "unsent",
        }
    }

    /// Neither answered nor still open: the attempt ended without an answer.
    pub const fn is_failure(self) -> bool {
        matches!(self, Outcome::ConnectError | Outcome::ReadError | Outcome::WriteError | Outcome::Abandoned)
    }
}

/// One attempt of one request. A plain row of fixed size: what the writer thread appends to disk as it is.
///
/// Instants are nanoseconds since the start of load, [`Instant::NEVER`] where one never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RequestRecord {
    /// The request's place in the schedule, unique in the run. Attempts of one request share it.
    pub request: u64,
    /// When the plan wanted the request sent; the same for every attempt of it.
    pub due: Instant,
    /// `max(due, a connection was free, catching up allowed it)`; from here on lateness is the generator's own.
    pub ready: Instant,
    /// When its first byte was handed to the kernel.
    pub sent: Instant,
    /// When the first byte of the response was read.
    pub first_byte: Instant,
    /// When the response was whole, the attempt failed, or the run ended.
    pub end: Instant,
    /// Response bytes read, heads included.
    pub bytes: u64,
    /// Which of the thread's connections carried it; `u32::MAX` if none.
    pub connection: u32,
    /// Status of the response, 0 if there was none.
    pub status: u16,
    /// The generator's thread, from 0.
    pub thread: u16,
    /// 0 for the first attempt, then one more for each retry.
    pub attempt: u16,
    outcome: u8,
    flags: u8,
    unused: u32,
}

const LAST: u8 = 1;
const TIMED_OUT: u8 = 2;
const WARMUP: u8 = 4;

impl RequestRecord {
    /// A record of an attempt that nothing is known of yet but its place in the plan.
    pub fn planned(request: u64, due: Instant, thread: u16) -> RequestRecord {
        RequestRecord {
            request,
            due,
            ready: Instant::NEVER,
            sent: Instant::NEVER,
            first_byte: Instant::NEVER,
            end: Instant::NEVER,
            bytes: 0,
            connection: u32::MAX,
            status: 0,
            thread,
            attempt: 0,
            outcome: Outcome::Unsent as u8,
            flags: 0,
            unused: 0,
        }
    }

    /// How the attempt ended. Rows read from a damaged file may hold no outcome: those are `None`.
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::ALL.get(usize::from(self.outcome)).copied()
    }

    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome as u8;
    }

    /// No further attempt follows: this one says what became of the request.
    pub fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// It outlived the client's timeout (and was abandoned, or waited on).
    pub fn timed_out(&self) -> bool {
        self.flags & TIMED_OUT != 0
    }

    /// Its due time lies in the warm-up.
    pub fn is_warmup(&self) -> bool {
        self.flags & WARMUP != 0
    }

    pub fn set_last(&mut self, on: bool) {
        self.set_flag(LAST, on);
    }

    pub fn set_timed_out(&mut self, on: bool) {
        self.set_flag(TIMED_OUT, on);
    }

    pub fn set_warmup(&mut self, on: bool) {
        self.set_flag(WARMUP, on);
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// Response time, corrected for coordinated omission: end - due.
    pub fn response_time(&self) -> Option<Time> {
        Some(self.end.known()?.since(self.due))
    }

    /// Service time, uncorrected: end - sent.
    pub fn service_time(&self) -> Option<Time> {
        Some(self.end.known()?.since(self.sent.known()?))
    }

    /// How late the generator itself was: sent - ready.
    pub fn send_lag(&self) -> Option<Time> {
        Some(self.sent.known()?.since(self.ready.known()?))
    }

    /// The sample that this attempt adds to the response-time distribution: the response time of a last attempt that
    /// was answered, or the lower bound of one whose wait was cut short. Attempts that failed for another reason, and
    /// attempts that a retry follows, add none.
    #[inline]
    pub fn response_sample(&self) -> Option<Time> {
        let counts = self.is_last() && (self.outcome() == Some(Outcome::Answered) || self.is_lower_bound());
        if counts { self.response_time() } else { None }
    }

    /// The response time of an answered request: [`Self::response_sample`] without the lower bounds.
    #[inline]
    pub fn answer_time(&self) -> Option<Time> {
        if self.is_lower_bound() { None } else { self.response_sample() }
    }

    /// The sample that this attempt adds to the service-time distribution: the service time of an answered attempt.
    #[inline]
    pub fn service_sample(&self) -> Option<Time> {
        if self.outcome() == Some(Outcome::Answered) { self.service_time() } else { None }
    }

    /// The response time is only a lower bound: the wait was cut short, by the client or by the end of the run.
    pub fn is_lower_bound(&self) -> bool {
        matches!(self.outcome(), Some(Outcome::Abandoned | Outcome::Unanswered | Outcome::Unsent))
    }

    /// A good answer: status below 400.
    pub fn is_success(&self) -> bool {
        self.outcome() == Some(Outcome::Answered) && self.status < 400
    }
}
