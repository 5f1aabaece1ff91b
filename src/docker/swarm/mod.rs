//! Docker Swarm: the nodes of a swarm, a service that runs once on each of several nodes, and its tasks.

mod nodes;
mod service;
mod tasks;

pub use nodes::{Membership, SwarmNode};
pub use service::{ServiceRequest, ServiceSecret, SwarmService};
pub use tasks::{SwarmTask, TaskStage};
