//! The Docker engine: which one is used, its containers, their endpoints on networks, and their events.
//!
//! All requests go over bollard. This module knows nothing of load, faults or experiments.

mod alias;
mod api;
mod cgroup;
mod commands;
mod context;
mod details;
mod endpoint;
mod engine;
mod error;
mod events;
mod find;
mod helper;
mod image;
mod interfaces;
mod netlink;
pub mod probe;
pub mod program_image;
mod stats;
pub mod swarm;

pub use alias::MissingAlias;
pub use api::Api;
pub use cgroup::Cgroup;
pub use commands::Cpu;
pub use details::{Details, Health};
pub use endpoint::{Endpoint, EndpointChange};
pub use engine::Engine;
pub use error::DockerError;
pub use events::{ContainerEvent, ContainerEventKind};
pub use find::Container;
pub use helper::ProbePlace;
pub use image::{OUR_IMAGE, OUR_PROGRAM};
pub use stats::{Usage, used_memory};
