//! The exact response times of a FIFO queue: those of requests whose due times and service times are known.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use metawrk::arrivals::{ArrivalProcess, Arrivals, Rate, ThreadShare};
use metawrk::units::{Instant, Time};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::closed_form::{Kind, Queue};
use crate::figures::Figures;

/// Requests of a queue, drawn with a seed: when each is due, and how long it is served.
pub struct Sample {
    pub due: Vec<Instant>,
    pub services: Vec<Time>,
}

impl Sample {
    /// The requests that are due before `end`. The due times are those of a load with this rate and seed on one thread.
    pub fn draw(queue: &Queue, seed: u64, end: Instant) -> Sample {
        let rate = Rate::constant(queue.rate);
        let arrivals = Arrivals::new(ArrivalProcess::Exp, &rate, seed, ThreadShare::new(0, 1));
        let due: Vec<Instant> = arrivals.map(|arrival| arrival.due).take_while(|due| *due < end).collect();
        // A load with this seed has its random numbers in the streams from 0 on, one per thread.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(u64::MAX);
        let mean_ns = queue.service.as_nanos() as f64;
        let mut service = || match queue.kind {
            Kind::Fixed => Time(mean_ns as u64),
            Kind::Exponential { .. } => {
                let unit = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                Time((-(1.0 - unit).ln() * mean_ns).round() as u64)
            }
        };
        let services = due.iter().map(|_| service()).collect();
        Sample { due, services }
    }

    /// The response time of each request if each reaches the server when it is due.
    pub fn response_times(&self, servers: usize) -> Vec<Time> {
        let mut servers = FifoServers::new(servers);
        let departures = self.due.iter().zip(&self.services).map(|(due, service)| (due, servers.serve(*due, *service)));
        departures.map(|(due, departure)| departure.since(*due)).collect()
    }
}

/// The servers of a FIFO queue. With one server, `serve` is Lindley's recursion.
pub struct FifoServers {
    /// When each server is free, the next one first. Empty if their number is unlimited.
    free: BinaryHeap<Reverse<Instant>>,
}

impl FifoServers {
    pub fn new(servers: usize) -> FifoServers {
        FifoServers { free: std::iter::repeat_n(Reverse(Instant::START), servers).collect() }
    }

    /// So many that no request waits.
    pub fn unlimited() -> FifoServers {
        FifoServers { free: BinaryHeap::new() }
    }

    /// Serves the next request. Returns when it departs.
    pub fn serve(&mut self, arrival: Instant, service: Time) -> Instant {
        let Some(mut next) = self.free.peek_mut() else { return arrival.plus(service) };
        let departure = arrival.max(next.0).plus(service);
        *next = Reverse(departure);
        departure
    }
}

/// How much the figures of a sample vary by chance: their standard deviation over this number of samples with different
/// seeds. Response times in a queue depend on each other, so no formula for independent samples applies.
pub fn sampling_deviation(queue: &Queue, end: Instant, samples: u64) -> Figures {
    // Not the seeds that a load uses.
    let seeds = (1 << 32)..(1 << 32) + samples;
    let figures = seeds.map(|seed| Figures::of(&Sample::draw(queue, seed, end).response_times(queue.servers())));
    Figures::deviation(&figures.collect::<Vec<_>>())
}
