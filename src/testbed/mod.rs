//! The embedded testbed: a small system under test that needs nothing installed.
//!
//! It consists of four processes of this same program:
//!
//! ```text
//! load -> compose-post -> post-storage -> link -> post-db
//! ```
//!
//! * `compose-post` accepts posts over HTTP. Its memory is limited, or its workers are.
//! * `post-storage` stores posts in `post-db`, with a timeout.
//! * `link` is a TCP proxy that can be cut, delayed or limited. Faults act on it. A [`ProxyProcess`] is such a link in front of
//!   a service of the user.
//! * `post-db` is a database behind HTTP.
//!
//! [`Testbed`] starts the processes, and they end with it. The testbed is made to fail metastably: while the link is cut,
//! requests fail, and failed requests cost more than successful ones. Above a known request rate, this extra cost keeps
//! the system overloaded after the link is restored. `scenario` describes the two loops that do this, with their
//! thresholds.
//!
//! This module knows nothing of load generation or experiments.

pub(crate) mod compose_post;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod heap;
pub(crate) mod limited_memory;
pub(crate) mod link;
pub(crate) mod link_handle;
pub(crate) mod plan;
pub(crate) mod post_db;
pub(crate) mod post_storage;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod role;
pub(crate) mod scenario;
pub(crate) mod serve;
pub(crate) mod sleep_timer;
pub(crate) mod store;
pub(crate) mod supervisor;
pub(crate) mod upstream;

pub use error::TestbedError;
pub use heap::Heap;
pub use link::state::{LinkCommand, RETRANSMISSION_TIMEOUT};
pub use link_handle::{LinkHandle, LinkProbe};
pub use plan::{Scenario, TestbedPlan, TestbedPlanError, TestbedSettings};
pub use process::ProcessExit;
pub use proxy::ProxyProcess;
pub use role::Role;
pub use supervisor::Testbed;
