use crate::cluster::clock::{ClockMeasurement, EXCHANGES, Exchange, PartInstant};
use crate::record::Clock;
use crate::units::Time;

/// The clock of a part. In tests it is ahead of the system's.
#[derive(Clone, Copy, Debug)]
pub struct PartClock {
    pub offset: Time,
}

impl PartClock {
    pub fn now(&self) -> PartInstant {
        self.at(Clock::read_monotonic())
    }

    /// The instant of this clock at `monotonic_ns` of `CLOCK_MONOTONIC`.
    pub fn at(&self, monotonic_ns: u64) -> PartInstant {
        PartInstant(monotonic_ns.saturating_add(self.offset.0))
    }

    /// A clock of a load whose zero is at this instant.
    pub fn starting_at(&self, at: PartInstant) -> Clock {
        Clock::starting_at(at.0.saturating_sub(self.offset.0))
    }
}

/// A measurement of the clock, exchange by exchange.
#[derive(Debug, Default)]
pub struct Measuring(Vec<Exchange>);

impl Measuring {
    /// An answer has come. `None` if a further exchange must follow, and otherwise the measurement.
    pub fn add(&mut self, exchange: Exchange) -> Option<Option<ClockMeasurement>> {
        self.0.push(exchange);
        (self.0.len() >= EXCHANGES).then(|| ClockMeasurement::of(&self.0))
    }
}
