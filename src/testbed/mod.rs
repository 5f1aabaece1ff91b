//! A system under test that needs nothing installed: three roles and a link, each a process of this same program.
//!
//! `compose-post` takes posts and has little memory, `post-storage` stores them through the link, which can be cut,
//! in `post-db`. [`Testbed`] starts and supervises them; none of them outlives it. While the link is cut, posts fail,
//! and failing holds memory; with enough load, what is out of memory stays so when the link is healed: see [`scenario`].

pub(crate) mod alarms;
pub(crate) mod child;
pub(crate) mod compose_post;
pub(crate) mod form;
pub(crate) mod heap;
pub(crate) mod link;
pub(crate) mod link_handle;
pub(crate) mod memory;
pub(crate) mod plan;
pub(crate) mod post_db;
pub(crate) mod post_storage;
pub(crate) mod role;
pub mod scenario;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod supervisor;
pub(crate) mod upstream;

pub use child::Death;
pub use heap::Heap;
pub use link::shape::{Command, RETRANSMISSION};
pub use link_handle::{LinkHandle, Probe};
pub use plan::{Scenario, TestbedPlan, TestbedPlanError, TestbedSettings};
pub use role::Role;
pub use supervisor::{Testbed, TestbedError};
