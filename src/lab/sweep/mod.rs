//! `metawrk sweep`: the hysteresis loop. The rate climbs while the system is healthy, and falls from stuck.

mod answer;
mod figure;
mod question;
mod strategy;

pub use question::{SweepDetails, SweepQuestion};
pub use strategy::SweepLoop;

#[cfg(test)]
mod tests;
