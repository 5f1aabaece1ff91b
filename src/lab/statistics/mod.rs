//! The statistics of the laboratory: pure functions of numbers, without a clock or a file.
//!
//! | module | answers |
//! |---|---|
//! | [`interval`] | how an estimate and its confidence interval are written |
//! | [`wilson`] | a share of requests or runs, with its interval |
//! | [`rate`] | how often something happens that was seen rarely or never |
//! | [`certificate`] | whether a system has two states at one load |
//! | [`bisection`] | where a boundary is, by runs whose outcomes may be wrong |
//!
//! Every formula names its source where it is computed.

pub mod bisection;
pub mod certificate;
pub mod interval;
mod quantiles;
pub mod rate;
pub mod wilson;
