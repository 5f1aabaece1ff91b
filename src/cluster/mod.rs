//! Several generators that send one load together: the parts without a clock and without a socket. No command uses them
//! yet.
//!
//! * [`ClockMeasurement`], [`ClockMapping`]: the clock of a part against that of the coordinator.
//! * [`part_of_environment`]: which part of how many this process is.
//! * [`plan_of_part`]: which requests and connections are a part's own.
//! * [`meeting`]: the rendezvous of the parts with their coordinator, as a state machine.
//! * [`account_of_lost`]: what a lost part leaves.

mod clock;
mod environment;
pub mod meeting;
mod split;
mod unsent;

pub use clock::{ClockMapping, ClockMeasurement, CoordinatorInstant, EXCHANGES, Exchange, MappedInstant, PartInstant};
pub use environment::{EnvironmentError, part_of_environment};
pub use split::plan_of_part;
pub use unsent::{account_of_lost, scheduled_requests};
