//! When each request of a thread is due. Due times depend on the plan and the seed alone, never on responses or on the
//! machine.
//!
//! A schedule is divided into streams, one for each thread. Several loads can share one schedule: [`SchedulePart`]. Several
//! generators can send one load: [`GeneratorPart`]. With
//! fixed gaps, stream `k` of `n` has the requests `k, k+n, k+2n, ...`, so that no two streams send at the same instant.
//! With random gaps each stream has its own random numbers and its share of the rate. The sum of exponential streams is
//! a Poisson process at the whole rate. Normal and Zipf streams begin at different offsets, as fixed ones do.
//!
//! For a rate that changes, request x is due when the integral of the rate reaches x. That is exact for fixed gaps, and
//! turns a Poisson process into the inhomogeneous one at that rate.

mod exp;
mod fixed;
mod norm;
mod profile;
mod random;
mod random_stream;
mod rate;
mod zipf;

use serde::{Deserialize, Serialize};

use exp::ExponentialGaps;
use fixed::FixedGaps;
use norm::NormalGaps;
pub use profile::{Profile, ProfileError, RateError};
use random::{GapDistribution, RandomGaps};
pub(crate) use random_stream::RandomStream;
pub use rate::Rate;
use zipf::ZipfGaps;

use crate::units::Instant;

/// The distribution of the gaps between requests. The mean is always 1/rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalProcess {
    /// All gaps are equal.
    #[default]
    Fixed,
    /// Exponential gaps: a Poisson process, as independent users make it.
    Exp,
    /// Normal gaps, with sigma a quarter of the mean.
    Norm,
    /// Zipf gaps, with alpha 3 over 1 to 100: most are short, and a few are very long.
    Zipf,
}

/// Load `index` (from 0) of `of` loads that share one schedule. They take turns, so that no two of them send at the same
/// instant. Request numbers and thread numbers run through all of them. Each load has the whole rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulePart {
    /// Its number, from 0.
    pub index: u16,
    /// How many loads share the schedule.
    pub of: u16,
}

impl Default for SchedulePart {
    /// The whole schedule.
    fn default() -> SchedulePart {
        SchedulePart { index: 0, of: 1 }
    }
}

/// Generator `index` (from 0) of `of` generators that send one load together: each has the same threads, and sends every
/// `of`-th request of each of them. Request i of a thread belongs to generator i mod `of`.
///
/// All due times together are those of one generator, exactly. This differs from [`SchedulePart`], where each load has the
/// whole rate and streams of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorPart {
    /// Its number, from 0.
    pub index: u16,
    /// How many generators send the load.
    pub of: u16,
}

impl Default for GeneratorPart {
    /// The only generator.
    fn default() -> GeneratorPart {
        GeneratorPart { index: 0, of: 1 }
    }
}

impl GeneratorPart {
    /// Its share of `total` (connections, for instance): an `of`-th. The first generators get the remainder.
    pub fn share(&self, total: usize) -> usize {
        let (index, of) = (usize::from(self.index), usize::from(self.of));
        total / of + usize::from(index < total % of)
    }
}

/// The part of a schedule that one thread sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadShare {
    /// Its number in the load, from 0.
    pub thread: u64,
    /// How many threads the load has.
    pub threads: u64,
    /// The place of the load in the schedule.
    pub part: SchedulePart,
    /// The place of the generator in the load.
    pub generator: GeneratorPart,
}

impl ThreadShare {
    /// Thread `thread` (from 0) of `threads`, in a load that shares its schedule with no other and has one generator.
    pub fn new(thread: u64, threads: u64) -> ThreadShare {
        ThreadShare { thread, threads, part: SchedulePart::default(), generator: GeneratorPart::default() }
    }

    /// Its number among the streams of the schedule, from 0.
    fn stream(&self) -> u64 {
        self.thread * u64::from(self.part.of) + u64::from(self.part.index)
    }

    fn streams(&self) -> u64 {
        self.threads * u64::from(self.part.of)
    }
}

/// One scheduled request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number in the schedule, unique over all threads and loads.
    pub request: u64,
    /// When it is due. [`Instant::NEVER`] if the rate ends in zero before.
    pub due: Instant,
}

/// The endless sequence of requests that one thread sends, in order of due time.
#[derive(Clone, Debug)]
pub struct Arrivals {
    gaps: Gaps,
    next: u64,
    /// From the number of one request to that of the next.
    stride: u64,
}

#[derive(Clone, Debug)]
enum Gaps {
    Fixed(FixedGaps),
    /// Fixed gaps at a rate that changes, and how many loads share the schedule.
    Varying(Rate, f64),
    Random(Box<RandomGaps>),
}

impl Arrivals {
    /// The requests of `share` in the schedule of `process` at `rate`.
    pub fn new(process: ArrivalProcess, rate: &Rate, seed: u64, share: ThreadShare) -> Arrivals {
        let (stream, streams, parts) = (share.stream(), share.streams(), f64::from(share.part.of));
        let random_stream = RandomStream::new(seed, stream);
        let mean_ns = 1e9 / (rate.peak() / share.threads as f64);
        let offset = stream as f64 / streams as f64;
        let random = |gaps| Gaps::Random(Box::new(RandomGaps::new(gaps, rate, share.generator)));
        let gaps = match process {
            ArrivalProcess::Fixed => match rate.as_constant() {
                Some(constant) => Gaps::Fixed(FixedGaps::new(constant * parts)),
                None => Gaps::Varying(rate.clone(), parts),
            },
            ArrivalProcess::Exp => random(GapDistribution::Exp(ExponentialGaps::new(mean_ns, random_stream))),
            ArrivalProcess::Norm => random(GapDistribution::Norm(NormalGaps::new(mean_ns, offset, random_stream))),
            ArrivalProcess::Zipf => random(GapDistribution::Zipf(ZipfGaps::new(mean_ns, offset, random_stream))),
        };
        let GeneratorPart { index, of } = share.generator;
        Arrivals { gaps, next: stream + u64::from(index) * streams, stride: u64::from(of) * streams }
    }

    /// Due times are a closed form of the request's number.
    pub fn has_closed_form(&self) -> bool {
        !matches!(self.gaps, Gaps::Random(_))
    }

    /// Skips the next requests that are due before `end`, and returns their number, without computing each of them.
    /// `None` for random gaps, which have no closed form.
    pub fn skip_before(&mut self, end: Instant) -> Option<u64> {
        let due = |number: u64| match &self.gaps {
            Gaps::Fixed(fixed) => Some(fixed.due(number)),
            Gaps::Varying(rate, parts) => Some(rate.due(number as f64 / *parts)),
            Gaps::Random(_) => None,
        };
        if !self.has_closed_form() {
            return None;
        }
        let number = |n: u64| n.checked_mul(self.stride)?.checked_add(self.next);
        let is_before = |n: u64| number(n).and_then(due).is_some_and(|due| due < end);
        // Due times never decrease. Request `low` and those behind it may be due at `end` or later.
        let (mut low, mut high) = (0, 1);
        while is_before(high - 1) {
            (low, high) = (high, high.saturating_mul(2));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            (low, high) = if is_before(middle) { (middle + 1, high) } else { (low, middle) };
        }
        self.next += low * self.stride;
        Some(low)
    }

    /// How many of the requests are due before `end`. Computes each due time of random gaps.
    pub fn count_before(mut self, end: Instant) -> u64 {
        self.skip_before(end).unwrap_or_else(|| self.take_while(|arrival| arrival.due < end).count() as u64)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        let request = self.next;
        self.next += self.stride;
        let due = match &mut self.gaps {
            Gaps::Fixed(fixed) => fixed.due(request),
            Gaps::Varying(rate, parts) => rate.due(request as f64 / *parts),
            Gaps::Random(random) => random.advance(),
        };
        Some(Arrival { request, due })
    }
}

#[cfg(test)]
mod tests;
