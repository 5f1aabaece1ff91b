//! Several generators that send one load together: the parts without a clock and without a socket. No command uses them
//! yet.
//!
//! * [`ClockMeasurement`], [`ClockMapping`]: the clock of a part against that of the coordinator.
//! * [`part_of_environment`]: which part of how many this process is.
//! * [`crate::arrivals::GeneratorPart`]: which requests are a part's own.

mod clock;
mod environment;

pub use clock::{ClockMapping, ClockMeasurement, CoordinatorInstant, EXCHANGES, Exchange, MappedInstant, PartInstant};
pub use environment::{EnvironmentError, part_of_environment};
