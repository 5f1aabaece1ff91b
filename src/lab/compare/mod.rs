//! `metawrk compare`: two runs side by side. A run is a load or an experiment.
//!
//! | module | content |
//! |---|---|
//! | [`metric`] | what is compared, and how |
//! | [`run`] | what is compared of a run: its phases, second by second |
//! | [`measure`] | the statistics of a phase |
//! | [`answer`] | what differs, and whether that may be chance |
//! | [`text`] | the answer as a table |
//! | [`read`] | a results folder, records, or the JSON of a load |
//!
//! All but the last are pure. Seconds are resampled in blocks, so the intervals know that the requests of a second share
//! their fate. Runs of one system on one day differ by more than that: the page of the command says so.

pub mod answer;
pub mod measure;
pub mod metric;
pub mod read;
pub mod run;
pub mod text;

#[cfg(test)]
mod tests;
