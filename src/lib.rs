//! metawrk: a load generator that replaces wrk2, and a laboratory for metastable failures.
//!
//! The rooms, from the ground up; each imports only from those below it:
//! pure ground ([`arrivals`], [`units`]), [`record`], [`load`], [`report`].

pub mod arrivals;
pub mod experiment;
pub mod load;
pub mod record;
pub mod report;
pub mod units;
