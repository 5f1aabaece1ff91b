use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use super::MAX_COUNT;
use crate::record::{Outcome, RequestRecord};
use crate::units::{Instant, Time};

/// The result of a request, by its last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestResult {
    /// Answered with a status below 400.
    Successful,
    /// Answered with a status above 399.
    BadStatus,
    /// It failed before its response time could be known.
    Failed,
    /// Its response time is only a lower bound.
    LowerBound,
}

impl RequestResult {
    pub const COUNT: usize = 4;

    pub fn of(record: &RequestRecord) -> RequestResult {
        match record.outcome() {
            Some(Outcome::Answered) if record.status > 399 => RequestResult::BadStatus,
            Some(Outcome::Answered) => RequestResult::Successful,
            _ if record.is_lower_bound() => RequestResult::LowerBound,
            _ => RequestResult::Failed,
        }
    }
}

/// A request of a sample. The order of the fields is the order in which requests are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampledRequest {
    /// A random number that the request's number decides.
    rank: u64,
    pub request: u64,
    pub due: Instant,
    /// end - due
    pub took: Time,
    pub thread: u16,
    pub result: RequestResult,
}

/// A sample of requests for figures that show each one: all of them, or [`MOST`] successful and [`MOST`] other ones.
///
/// It has the requests with the least random numbers (a "bottom-k sample": Cohen and Kaplan, PODC 2007). The number of
/// a request decides its random number, so the sample depends neither on the order of the records nor on how they were
/// divided among several digests.
#[derive(Clone, Debug, Default)]
pub struct RequestSample {
    successful: BottomK,
    others: BottomK,
}

/// The most requests of a kind.
pub const MOST: usize = 100_000;

/// Decides which requests are in the sample.
const SEED: u64 = 0x6d65_7461_7772_6b31;

#[derive(Clone, Debug, Default)]
pub(super) struct BottomK {
    /// How many there were.
    seen: u64,
    /// The greatest is at the top.
    kept: BinaryHeap<SampledRequest>,
}

/// The output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every number has another output.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(SEED);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl BottomK {
    pub fn add(&mut self, one: SampledRequest, most: usize) {
        self.seen += 1;
        self.keep(one, most);
    }

    #[inline]
    fn keep(&mut self, one: SampledRequest, most: usize) {
        if self.kept.len() < most {
            self.kept.push(one);
        } else if self.kept.peek().is_some_and(|greatest| one < *greatest) {
            self.kept.pop();
            self.kept.push(one);
        }
    }
}

impl RequestSample {
    fn of(&mut self, result: RequestResult) -> &mut BottomK {
        if result == RequestResult::Successful { &mut self.successful } else { &mut self.others }
    }

    /// Adds a request by its last attempt.
    pub fn add(&mut self, record: &RequestRecord) {
        let Some(took) = record.response_time().filter(|_| record.is_last()) else { return };
        let result = RequestResult::of(record);
        let one = SampledRequest {
            rank: mix(record.request),
            request: record.request,
            due: record.due,
            took,
            thread: record.thread,
            result,
        };
        self.of(result).add(one, MOST);
    }

    pub fn merge(&mut self, other: &RequestSample) {
        for (mine, other) in [(&mut self.successful, &other.successful), (&mut self.others, &other.others)] {
            mine.seen += other.seen;
            other.kept.iter().for_each(|one| mine.keep(*one, MOST));
        }
    }

    /// The requests of the sample, in no order.
    pub fn requests(&self) -> impl Iterator<Item = &SampledRequest> {
        self.successful.kept.iter().chain(&self.others.kept)
    }

    /// The requests of the sample, in order of due time.
    fn sorted(&self) -> Vec<SampledRequest> {
        let mut requests: Vec<_> = self.requests().copied().collect();
        requests.sort_unstable_by_key(|one| (one.due, *one));
        requests
    }

    /// How many requests it was taken from.
    pub fn seen(&self) -> u64 {
        self.successful.seen + self.others.seen
    }

    /// It has all requests.
    pub fn is_whole(&self) -> bool {
        self.seen() == (self.successful.kept.len() + self.others.kept.len()) as u64
    }
}

impl PartialEq for RequestSample {
    fn eq(&self, other: &RequestSample) -> bool {
        let parts = |sample: &RequestSample| (sample.successful.seen, sample.others.seen, sample.sorted());
        parts(self) == parts(other)
    }
}

/// The form in files: the requests as `[request, thread, due, response time, result]`, with times in ns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SampleRows {
    successful: u64,
    others: u64,
    requests: Vec<(u64, u16, Instant, u64, RequestResult)>,
}

impl From<&RequestSample> for SampleRows {
    fn from(sample: &RequestSample) -> SampleRows {
        let row = |one: SampledRequest| (one.request, one.thread, one.due, one.took.0, one.result);
        let requests = sample.sorted().into_iter().map(row).collect();
        SampleRows { successful: sample.successful.seen, others: sample.others.seen, requests }
    }
}

impl SampleRows {
    /// The sample, or `None` if there cannot be one like that.
    pub fn into_sample(self) -> Option<RequestSample> {
        let mut sample = RequestSample::default();
        for (request, thread, due, took, result) in self.requests {
            let one = SampledRequest { rank: mix(request), request, due, took: Time(took), thread, result };
            sample.of(result).add(one, MOST);
        }
        for (part, seen) in [(&mut sample.successful, self.successful), (&mut sample.others, self.others)] {
            if part.seen > seen || part.seen > MOST as u64 || seen > MAX_COUNT {
                return None;
            }
            part.seen = seen;
        }
        Some(sample)
    }
}

#[cfg(test)]
pub(super) fn sampled(request: u64) -> SampledRequest {
    let (rank, result) = (mix(request), RequestResult::Successful);
    SampledRequest { rank, request, due: Instant::START, took: Time::ZERO, thread: 0, result }
}

#[cfg(test)]
impl BottomK {
    pub fn sorted(&self) -> Vec<SampledRequest> {
        self.kept.clone().into_sorted_vec()
    }
}
