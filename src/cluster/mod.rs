//! Several generators that send one load together.
//!
//! * [`Cluster`]: the coordinator. For the rest of the program it is one load.
//! * [`run_agent`]: a part.
//! * [`launch`]: who starts the parts.
//!
//! Without a clock and without a socket:
//!
//! * [`meeting`]: the rendezvous of the parts with their coordinator, as a state machine.
//! * [`ClockMeasurement`], [`ClockMapping`]: the clock of a part against that of the coordinator.
//! * [`part_of_environment`]: which part of how many this process is.
//! * [`plan_of_part`]: which requests and connections are a part's own.
//! * [`account_of_lost`]: what a lost part leaves.

mod agent;
mod bundle;
mod clock;
mod coordinator;
mod environment;
mod kubernetes;
pub mod launch;
pub mod meeting;
// Not public API: a test measures a coordinator with parts of its own.
#[doc(hidden)]
pub mod protocol;
mod split;
mod token;
mod unsent;

pub use agent::{AgentError, AgentSettings, run_agent};
pub use bundle::{Bundle, BundleError, DataFile};
pub use clock::{ClockMapping, ClockMeasurement, CoordinatorInstant, EXCHANGES, Exchange, MappedInstant, PartInstant};
pub use coordinator::Cluster;
pub use environment::{EnvironmentError, part_of_environment};
pub use kubernetes::KubernetesJob;
pub use split::plan_of_part;
pub use token::{NoToken, PLAN_HASH_VARIABLE, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, Token};
pub use unsent::{account_of_lost, scheduled_requests};
