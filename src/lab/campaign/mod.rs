//! A campaign: several runs of one experiment, at other rates, outages and seeds, until a question is answered.
//!
//! | part | what it does |
//! |---|---|
//! | [`cell`] | the points of a campaign, and their plans |
//! | [`outcome`] | what one run showed, read from its folder |
//! | [`schedule`] | which run is next, and when the campaign ends: pure |
//! | [`forecast`] | how long that still takes: pure |
//! | [`folder`] | the campaign's files |
//! | [`run`] | runs it |
//! | [`question`] | what a command asks, and its answer |
//! | [`products`] | the files that hold the answer |
//!
//! A command of the laboratory is a [`question::Question`]. Its [`schedule::Strategy`] sees the runs so far and asks for the next one. The state
//! of a campaign is what its finished runs left on disk, so that it can be resumed after any end.

pub mod cell;
pub mod folder;
pub mod forecast;
pub mod outcome;
pub mod products;
pub mod progress;
pub mod question;
pub mod run;
pub mod schedule;
pub mod table;

#[cfg(test)]
pub(crate) mod tests;
