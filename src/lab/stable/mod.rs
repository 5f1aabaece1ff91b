//! `metawrk search stable`: the stable rate, below which the system recovers from the plan's fault.
//!
//! It is predicted from one or a few runs ([`prediction`]), and then verified by runs a tenth below and above it.

mod advice;
mod answer;
mod cells;
mod figure;
mod observe;
pub mod prediction;
mod question;
mod strategy;

pub use cells::{StableCells, round};
pub use observe::{ramp_goodput, read_sweep};
pub use question::{StableDetails, StableQuestion};
pub use strategy::StableSearch;

#[cfg(test)]
pub(crate) mod tests;
