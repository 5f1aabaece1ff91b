//! `metawrk map`: from which outage at which rate the system does not come back.
//!
//! The map has columns of one rate each. In each column a [noisy bisection](crate::lab::statistics::bisection) finds the
//! shortest outage that tips the system. The first column is the one that is nearest to the plan's rate. The others follow
//! outwards: neighbours have similar boundaries, so that a column needs few runs.

mod answer;
mod columns;
mod figure;
mod question;
mod strategy;
mod theory;

pub use answer::{MapAnswer, MapDetails};
pub use columns::{Column, MapColumns};
pub use question::{DEFAULT_MAX_RUNS, MapQuestion};
pub use strategy::MapStrategy;

#[cfg(test)]
mod tests;
