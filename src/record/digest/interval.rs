use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::sparse_histogram::{SparseHistogram, TWO_DIGITS};
use super::{MAX_COUNT, longest_lag, longest_latency};
use crate::record::{Outcome, RequestRecord};
use crate::units::{Instant, Time};

/// What happened in one interval of a run. Its histograms have two digits; those of the warm-up are included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Requests due in it.
    pub due: u64,
    /// Those of them that were answered with a status below 400 within the SLO.
    pub good: u64,
    /// Answers with a status below 400 that arrived in it.
    pub successful: u64,
    /// Attempts that failed, or were answered with a status above 399, in it.
    pub errors: u64,
    /// Response times in us of requests due in it: [`RequestRecord::response_sample`].
    pub response_us: SparseHistogram<TWO_DIGITS>,
    /// Service times in us of requests due in it: [`RequestRecord::service_sample`].
    pub service_us: SparseHistogram<TWO_DIGITS>,
    /// Send lag in ns of requests due in it.
    pub send_lag_ns: SparseHistogram<TWO_DIGITS>,
    /// Wake-up latency in ns of requests due in it.
    pub wakeup_ns: SparseHistogram<TWO_DIGITS>,
}

/// The intervals of a run, each as wide as [`Frame::interval`], from the start of load.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    pub width: Time,
    pub list: Vec<Interval>,
}

impl Intervals {
    pub fn new(frame: &Frame) -> Intervals {
        let width = frame.interval();
        Intervals { width, list: vec![Interval::default(); (frame.axis_end.0 / width.0 + 1) as usize] }
    }

    /// The interval of an instant. There is none after the end of the axis.
    fn at(&mut self, at: Instant) -> Option<&mut Interval> {
        self.list.get_mut((at.known()?.0 / self.width.0) as usize)
    }

    pub fn add(&mut self, record: &RequestRecord, slo: Option<Time>) {
        let is_error = match record.outcome() {
            Some(Outcome::Answered) => Some(record.status > 399),
            Some(Outcome::Unanswered | Outcome::Unsent) => None,
            _ => Some(true),
        };
        if let (Some(is_error), Some(interval)) = (is_error, self.at(record.end)) {
            *(if is_error { &mut interval.errors } else { &mut interval.successful }) += 1;
        }
        let Some(interval) = self.at(record.due) else { return };
        if let Some(lag) = record.send_lag() {
            interval.send_lag_ns.add(longest_lag(lag));
        }
        if let Some(latency) = record.wakeup_latency() {
            interval.wakeup_ns.add(longest_lag(latency));
        }
        if let Some(service) = record.service_sample() {
            interval.service_us.add(longest_latency(service));
        }
        interval.due += u64::from(record.is_last());
        if let Some(response) = record.response_sample() {
            interval.response_us.add(longest_latency(response));
            interval.good += u64::from(record.is_success() && slo.is_some_and(|slo| response <= slo));
        }
    }

    pub fn merge(&mut self, other: &Intervals) {
        self.list.iter_mut().zip(&other.list).for_each(|(mine, other)| mine.merge(other));
    }
}

impl Interval {
    /// Adds what happened in the same interval of another digest, or in the next one.
    pub fn merge(&mut self, other: &Interval) {
        self.due += other.due;
        self.good += other.good;
        self.successful += other.successful;
        self.errors += other.errors;
        self.response_us.merge(&other.response_us);
        self.service_us.merge(&other.service_us);
        self.send_lag_ns.merge(&other.send_lag_ns);
        self.wakeup_ns.merge(&other.wakeup_ns);
    }

    /// Whether the counts can be those of a run.
    pub(super) fn is_plausible(&self) -> bool {
        [self.due, self.good, self.successful, self.errors].iter().all(|&count| count <= MAX_COUNT)
    }
}
