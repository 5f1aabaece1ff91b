//! A system under test that needs nothing installed: three roles and a link, each a process of this same program.
//!
//! `compose-post` takes posts and has little memory, `post-storage` stores them through the link, which can be cut,
//! in `post-db`. [`Testbed`] starts and supervises them; none of them outlives it. While the link is cut, posts fail,
//! and failing holds memory; with enough load, what is out of memory stays so when the link is healed: see [`scenario`].

mod alarms;
mod child;
pub mod cli;
mod compose_post;
mod form;
mod heap;
pub mod image;
mod link;
mod link_handle;
mod memory;
mod plan;
mod post_db;
mod post_storage;
mod role;
pub mod scenario;
mod serve;
mod store;
mod supervisor;
mod upstream;
mod workers;

pub use child::Death;
pub use heap::Heap;
pub use link::shape::{Command, RETRANSMISSION};
pub use link_handle::{LinkHandle, Probe};
pub use plan::{Scenario, TestbedPlan, TestbedPlanError, TestbedSettings};
pub use role::Role;
pub use supervisor::{Testbed, TestbedError};
