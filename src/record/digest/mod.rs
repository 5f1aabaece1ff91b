//! The digest of a run: the counts and histograms that a report needs, without a row per request. Pure, but for the file.
//!
//! Records are added one at a time, in any order. Digests over the same [`Frame`] merge exactly: the digest of all
//! records is the sum of the digests of any parts of them. Its size does not grow with the number of requests, and only
//! slowly with the length of the run.

mod as_ns;
mod backlog;
mod bins;
mod cohorts;
mod concurrency;
mod failures;
mod file;
mod frame;
mod interval;
mod request_sample;
mod sparse_histogram;
mod thread_counts;
mod totals;

pub use backlog::{Backlog, BacklogSteps};
pub use bins::{Bin, BinLayout};
pub use cohorts::CohortCounts;
pub use concurrency::MeanConcurrency;
pub use failures::{FailureCause, Failures};
pub use file::{DigestOrigin, format_digest, parse_digest};
pub use frame::{Baseline, Frame, JudgedFrame};
pub use interval::{Interval, Intervals};
pub use request_sample::{MOST, RequestResult, RequestSample, SampledRequest};
pub use sparse_histogram::{SparseHistogram, THREE_DIGITS, TWO_DIGITS};
pub use thread_counts::ThreadCounts;
pub use totals::Totals;

use super::RequestRecord;
use super::histogram::MAX_COUNT;
use crate::stats::LATENCY_RANGE;
use crate::units::Time;

/// A time in us, or the longest that histograms distinguish.
fn longest_latency(time: Time) -> u64 {
    time.round_to_us().min(LATENCY_RANGE.1)
}

/// A send lag in ns, or the longest that histograms distinguish.
fn longest_lag(lag: Time) -> u64 {
    lag.0.min(LATENCY_RANGE.1 * 1000)
}

/// The counts and histograms of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    frame: Frame,
    pub totals: Totals,
    /// `None` for a plain load, which has no verdict.
    pub cohorts: Option<CohortCounts>,
    pub intervals: Intervals,
    /// Attempts that were sent and had not ended.
    pub in_flight: MeanConcurrency,
    /// Requests that were due and had not ended.
    pub backlog: MeanConcurrency,
    /// By the number of the thread.
    pub threads: Vec<ThreadCounts>,
    pub sample: RequestSample,
}

/// Two digests count by different frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the digests are of different runs")]
pub struct OtherFrame;

impl Digest {
    /// A digest without records.
    pub fn new(frame: Frame) -> Digest {
        Digest {
            totals: Totals::default(),
            cohorts: frame.judged.as_ref().map(|judged| CohortCounts::new(&frame, judged)),
            intervals: Intervals::new(&frame),
            in_flight: MeanConcurrency::new(frame.axis_end),
            backlog: MeanConcurrency::new(frame.axis_end),
            threads: vec![ThreadCounts::default(); usize::from(frame.threads)],
            sample: RequestSample::default(),
            frame,
        }
    }

    /// The digest of `records`.
    pub fn of<'a>(frame: Frame, records: impl IntoIterator<Item = &'a RequestRecord>) -> Digest {
        let mut digest = Digest::new(frame);
        records.into_iter().for_each(|record| digest.add(record));
        digest
    }

    /// Whether it uses this column of a record.
    pub fn uses(column: &str) -> bool {
        !matches!(column, "connection" | "first_byte_ns" | "lower_bound" | "response_ns")
    }

    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Adds a record.
    pub fn add(&mut self, record: &RequestRecord) {
        let frame = &self.frame;
        self.totals.add(record, frame);
        if let (Some(cohorts), Some(judged)) = (&mut self.cohorts, &frame.judged) {
            cohorts.add(record, frame, judged);
        }
        self.intervals.add(record, frame.slo);
        if let Some(sent) = record.sent.known() {
            self.in_flight.add(sent, record.end);
        }
        if record.is_last() {
            self.backlog.add(record.due, record.end);
        }
        if let Some(thread) = self.threads.get_mut(usize::from(record.thread)) {
            thread.add(record, frame);
        }
        self.sample.add(record);
    }

    /// Adds the records of another digest.
    ///
    /// # Errors
    /// [`OtherFrame`] if it counts by another frame. Nothing is added then.
    pub fn merge(&mut self, other: &Digest) -> Result<(), OtherFrame> {
        if self.frame != other.frame {
            return Err(OtherFrame);
        }
        self.totals.merge(&other.totals);
        if let (Some(mine), Some(other)) = (&mut self.cohorts, &other.cohorts) {
            mine.merge(other);
        }
        self.intervals.merge(&other.intervals);
        self.in_flight.merge(&other.in_flight);
        self.backlog.merge(&other.backlog);
        self.threads.iter_mut().zip(&other.threads).for_each(|(mine, other)| mine.merge(other));
        self.sample.merge(&other.sample);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
