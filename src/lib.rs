//! metawrk: a load generator that replaces wrk2, and a laboratory for metastable failures.
//!
//! The rooms, from the ground up; each imports only from those below it:
//! pure ground ([`arrivals`], [`procfs`], [`units`]), [`record`], [`load`], [`testbed`], [`monitor`], [`fault`], [`report`].

pub mod arrivals;
pub mod fault;
pub mod load;
pub mod monitor;
pub mod procfs;
pub mod record;
pub mod report;
pub mod testbed;
pub mod units;
