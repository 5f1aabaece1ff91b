//! metawrk: a load generator that replaces wrk2, and a laboratory for metastable failures.
//!
//! The modules, from the ground up; each imports only from those below it: the ground ([`arrivals`], [`http1`], [`out`],
//! [`procfs`], [`signals`], [`stats`], [`target`], [`units`]), [`timer`], [`record`], [`script`], [`load`], [`docker`],
//! [`testbed`], [`monitor`], [`fault`], [`plan`], [`verdict`], [`report`], [`experiment`], [`cli`].

pub mod arrivals;
pub mod cli;
pub mod docker;
pub mod experiment;
pub mod fault;
pub mod http1;
pub mod load;
pub mod monitor;
pub mod out;
pub mod plan;
pub mod procfs;
pub mod record;
pub mod report;
pub mod script;
pub mod signals;
pub mod stats;
pub mod target;
pub mod testbed;
pub mod timer;
pub mod units;
pub mod verdict;
