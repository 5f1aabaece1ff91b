//! When request i of a thread is due. Pure: a function of the plan and the seed, never of responses or the machine.
//!
//! The schedule of a run is shared out over its threads request by request: with a fixed rate, thread `k` of `t` has the
//! requests `k, k+t, k+2t, ...` of the whole, so that threads never send at the same instant. With random gaps every
//! thread has a stream of its own at rate/t; the sum of such Poisson streams is a Poisson stream at the whole rate.

mod exp;
mod fixed;

use serde::{Deserialize, Serialize};

use exp::Exp;
use fixed::Fixed;

/// The distribution of the gaps between requests. The mean is always 1/rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// All the same: a constant rate, in closed form, so that nothing drifts.
    #[default]
    Fixed,
    /// Exponential: a Poisson process, as independent users make it.
    Exp,
}

/// One scheduled request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its place in the schedule, unique over all threads.
    pub request: u64,
    /// When it is due, in ns since the start of load.
    pub due: u64,
}

/// One thread's share of a schedule, in order of time, without end.
#[derive(Clone, Debug)]
pub struct Arrivals {
    gaps: Gaps,
    next: u64,
    thread: u64,
    threads: u64,
}

#[derive(Clone, Debug)]
enum Gaps {
    Fixed(Fixed),
    Exp(Box<Exp>),
}

impl Arrivals {
    /// The share of `thread` among `threads` in a schedule of `rate` requests/s in all.
    pub fn new(process: Process, rate: f64, seed: u64, thread: u64, threads: u64) -> Arrivals {
        let gaps = match process {
            Process::Fixed => Gaps::Fixed(Fixed::new(rate, thread, threads)),
            Process::Exp => Gaps::Exp(Box::new(Exp::new(rate / threads as f64, seed, thread))),
        };
        Arrivals { gaps, next: 0, thread, threads }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        let i = self.next;
        self.next += 1;
        let due = match &mut self.gaps {
            Gaps::Fixed(fixed) => fixed.due(i),
            Gaps::Exp(exp) => exp.advance(),
        };
        Some(Arrival { request: i * self.threads + self.thread, due })
    }
}

#[cfg(test)]
mod tests;
