//! metawrk: a load generator that replaces wrk2, and a laboratory for metastable failures.
//!
//! The rooms, from the ground up; each imports only from those below it: the pure ground ([`arrivals`], [`http1`],
//! [`stats`], [`target`], [`units`]), [`record`], [`script`], [`load`], [`report`], [`cli`].

pub mod arrivals;
pub mod cli;
pub mod http1;
pub mod load;
pub mod record;
pub mod report;
pub mod script;
pub mod stats;
pub mod target;
pub mod units;
