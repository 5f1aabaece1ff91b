//! When request i of a thread is due. Pure: a function of the plan and the seed, never of responses or the machine.
//!
//! A schedule is shared out over streams, one a thread (and over those of several loads, where they share it: see
//! [`SchedulePart`]). With fixed gaps, stream `k` of `n` has the requests `k, k+n, k+2n, ...` of the whole, so that streams never
//! send at the same instant. With random gaps every stream has numbers of its own, at its share of the rate; the sum of
//! such Poisson streams is a Poisson stream at the whole rate, and the others begin one after the other, as fixed ones do.
//!
//! A rate that changes bends time: what would be due at x requests' time at a constant rate is due when the rate has
//! added up to x. That is exact for fixed gaps, and makes a Poisson process the inhomogeneous one at that rate.

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
use random_stream::RandomStream;
pub use rate::Rate;
use zipf::ZipfGaps;

use crate::units::Instant;

/// The distribution of the gaps between requests. The mean is always 1/rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalProcess {
    /// All the same.
    #[default]
    Fixed,
    /// Exponential: a Poisson process, as independent users make it.
    Exp,
    /// Normal, sigma a quarter of the mean.
    Norm,
    /// Zipf, alpha 3 over 1 to 100: most are short, and a few very long.
    Zipf,
}

/// Part `index` of `of` loads that share one schedule in turn, so that no two of them send at the same instant: the
/// requests of all are numbered through, and so are their threads. Each has the whole rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulePart {
    pub index: u16,
    pub of: u16,
}

impl Default for SchedulePart {
    /// All of it.
    fn default() -> SchedulePart {
        SchedulePart { index: 0, of: 1 }
    }
}

/// What one thread has of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadShare {
    pub thread: u64,
    pub threads: u64,
    pub part: SchedulePart,
}

impl ThreadShare {
    /// `thread` of `threads`, in a load that has its schedule to itself.
    pub fn new(thread: u64, threads: u64) -> ThreadShare {
        ThreadShare { thread, threads, part: SchedulePart::default() }
    }

    /// Its number among all streams.
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
    /// Its place in the schedule, unique over all threads and parts.
    pub request: u64,
    /// When it is due; [`Instant::NEVER`] for what a rate that ended in zero never gets to.
    pub due: Instant,
}

/// One thread's share of a schedule, in order of time, without end.
#[derive(Clone, Debug)]
pub struct Arrivals {
    gaps: Gaps,
    next: u64,
    streams: u64,
}

#[derive(Clone, Debug)]
enum Gaps {
    Fixed(FixedGaps),
    /// Fixed ones under a rate that changes, shared with so many loads.
    Bent(Rate, f64),
    Random(Box<RandomGaps>),
}

impl Arrivals {
    /// `share` of the schedule that `process` makes at `rate`.
    pub fn new(process: ArrivalProcess, rate: &Rate, seed: u64, share: ThreadShare) -> Arrivals {
        let (stream, streams, parts) = (share.stream(), share.streams(), f64::from(share.part.of));
        let numbers = RandomStream::new(seed, stream);
        let mean_ns = 1e9 / (rate.peak() / share.threads as f64);
        let offset = stream as f64 / streams as f64;
        let random = |gaps| Gaps::Random(Box::new(RandomGaps::new(gaps, rate)));
        let gaps = match process {
            ArrivalProcess::Fixed => match rate.as_constant() {
                Some(constant) => Gaps::Fixed(FixedGaps::new(constant * parts)),
                None => Gaps::Bent(rate.clone(), parts),
            },
            ArrivalProcess::Exp => random(GapDistribution::Exp(ExponentialGaps::new(mean_ns, numbers))),
            ArrivalProcess::Norm => random(GapDistribution::Norm(NormalGaps::new(mean_ns, offset, numbers))),
            ArrivalProcess::Zipf => random(GapDistribution::Zipf(ZipfGaps::new(mean_ns, offset, numbers))),
        };
        Arrivals { gaps, next: stream, streams }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        let request = self.next;
        self.next += self.streams;
        let due = match &mut self.gaps {
            Gaps::Fixed(fixed) => fixed.due(request),
            Gaps::Bent(rate, parts) => rate.due(request as f64 / *parts),
            Gaps::Random(random) => random.advance(),
        };
        Some(Arrival { request, due })
    }
}

#[cfg(test)]
mod tests;
