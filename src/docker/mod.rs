//! The Docker engine: which one, what runs on it, how a container hangs on its networks, what happens to it.
//!
//! All of it over bollard. Knows nothing of load, faults or experiments.

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
pub mod inside;
mod netlink;
pub mod program_image;
mod stats;

pub use cgroup::Cgroup;
pub use commands::Cpu;
pub use details::Details;
pub use endpoint::{Change, Endpoint};
pub use engine::{Api, Engine};
pub use error::DockerError;
pub use events::{ContainerEvent, Happened};
pub use find::Container;
pub use helper::Place;
pub use image::{OUR_IMAGE, OUR_PROGRAM};
pub use stats::{Usage, used_memory};
