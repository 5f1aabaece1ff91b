//! `metawrk search outage` and `metawrk search rate`: where a boundary of the system is.
//!
//! Both are a [noisy bisection](crate::lab::statistics::bisection): each run is made where the boundary is as likely above
//! as below, and says on which side it is. The outage that just tips a system depends on the requests that happen to be due
//! in it, so outcomes near the boundary differ from run to run, and the answer is an interval.

mod answer;
mod boundary;
mod figure;
mod question;
mod strategy;

pub use answer::{BoundaryAnswer, SearchDetails};
pub use boundary::BoundarySearch;
pub use question::{DEFAULT_MAX_RUNS, MIN_PRECISION, OutageSearch, RateSearch, SEARCH_DWELL, plan_outages};
pub use strategy::{RunTiming, Search, Searched, check_outages, default_outages, to_outage};

#[cfg(test)]
mod tests;
