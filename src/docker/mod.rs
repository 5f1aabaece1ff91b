//! The Docker engine: which one, what runs on it, how a container hangs on its networks, what happens to it.
//!
//! All of it over bollard. Knows nothing of load, faults or experiments.

mod context;
mod details;
mod endpoint;
mod engine;
mod error;
mod events;
mod find;
mod image;
mod stats;

pub use details::Details;
pub use endpoint::{Change, Endpoint};
pub use engine::{Api, Engine};
pub use error::DockerError;
pub use events::{ContainerEvent, Happened};
pub use find::Container;
pub use image::OUR_IMAGE;
pub use stats::{Usage, used_memory};
