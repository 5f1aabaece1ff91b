use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::request_sample::RequestResult;
use super::sparse_histogram::{SparseHistogram, THREE_DIGITS};
use super::{MAX_COUNT, longest_latency};
use crate::record::{Outcome, RequestRecord};
use crate::units::Time;

type Times = SparseHistogram<THREE_DIGITS>;

/// What one generator thread did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadCounts {
    /// Requests, by their last attempt.
    pub requests: u64,
    /// Those of them that ended, by [`RequestResult`].
    pub results: [u64; RequestResult::COUNT],
    /// The least and the greatest end - due of these, in ns.
    range_ns: Option<(u64, u64)>,
    /// Answers that arrived until the end of arrivals, by second.
    pub answers: BTreeMap<u32, u32>,
    /// Response times in us after the warm-up of requests with a status below 400.
    pub successful_us: Times,
    /// The same of requests with a status above 399.
    pub bad_status_us: Times,
    /// Response times that are only lower bounds.
    pub lower_bounds_us: Times,
}

const SECOND: u64 = 1_000_000_000;

impl ThreadCounts {
    pub fn add(&mut self, record: &RequestRecord, frame: &Frame) {
        if record.outcome() == Some(Outcome::Answered) && record.end <= frame.arrivals_end {
            let second = u32::try_from(record.end.0 / SECOND).unwrap_or(u32::MAX);
            let count = self.answers.entry(second).or_default();
            *count = count.saturating_add(1);
        }
        if !record.is_last() {
            return;
        }
        self.requests += 1;
        let result = RequestResult::of(record);
        if let Some(took) = record.response_time() {
            self.results[result as usize] += 1;
            self.widen((took.0, took.0));
        }
        if record.is_warmup() || record.due < frame.warmup_end {
            return;
        }
        if let Some(time) = record.response_sample() {
            let us = longest_latency(time);
            match result {
                RequestResult::Successful => self.successful_us.add(us),
                RequestResult::BadStatus => self.bad_status_us.add(us),
                RequestResult::LowerBound | RequestResult::Failed => self.lower_bounds_us.add(us),
            }
        }
    }

    fn widen(&mut self, (low, high): (u64, u64)) {
        let (least, greatest) = self.range_ns.unwrap_or((low, high));
        self.range_ns = Some((least.min(low), greatest.max(high)));
    }

    pub fn merge(&mut self, other: &ThreadCounts) {
        self.requests += other.requests;
        self.results.iter_mut().zip(other.results).for_each(|(mine, other)| *mine += other);
        other.range_ns.into_iter().for_each(|range| self.widen(range));
        for (second, answers) in &other.answers {
            let count = self.answers.entry(*second).or_default();
            *count = count.saturating_add(*answers);
        }
        self.successful_us.merge(&other.successful_us);
        self.bad_status_us.merge(&other.bad_status_us);
        self.lower_bounds_us.merge(&other.lower_bounds_us);
    }

    /// Whether the counts can be those of a run.
    pub(super) fn is_plausible(&self) -> bool {
        self.requests <= MAX_COUNT && self.results.iter().all(|&count| count <= MAX_COUNT)
    }

    /// The least and the greatest end - due of all its requests, failed ones included.
    pub fn range(&self) -> Option<(Time, Time)> {
        self.range_ns.map(|(least, greatest)| (Time(least), Time(greatest)))
    }
}
