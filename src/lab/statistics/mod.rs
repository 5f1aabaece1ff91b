//! The statistics of the laboratory: pure functions of numbers, without a clock or a file.
//!
//! | module | answers |
//! |---|---|
//! | [`interval`] | how an estimate and its confidence interval are written |
//! | [`wilson`] | a share of requests or runs, with its interval |
//! | [`rate`] | how often something happens that was seen rarely or never |
//! | [`batch_means`] | the mean of a series whose neighbours depend on each other |
//! | [`block_bootstrap`] | any statistic of such a series |
//! | [`certificate`] | whether a system has two states at one load |
//! | [`bisection`] | where a boundary is, by runs whose outcomes may be wrong |
//! | [`stuck_throughput`], [`capacity`], [`sweep`], [`slowing_down`] | the stable rate, by four other methods |
//! | [`closed_form`] | where the boundary of a retry storm should be |
//! | [`advice`] | how much load to shed, and for how long |
//! | [`isotonic`], [`contradictions`] | the curve of a map, and whether tipping is monotone |
//!
//! Every formula names its source where it is computed.

pub mod advice;
pub mod batch_means;
pub mod bisection;
pub mod block_bootstrap;
pub mod capacity;
pub mod certificate;
pub mod closed_form;
pub mod contradictions;
pub mod interval;
pub mod isotonic;
mod quantiles;
pub mod rate;
pub mod slowing_down;
pub mod stuck_throughput;
pub mod sweep;
pub mod wilson;
