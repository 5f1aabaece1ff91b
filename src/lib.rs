//! A load generator that replaces wrk2, and a laboratory for metastable failures.
//!
//! The programs `wrk2` and `metawrk` only call this library. A load from Rust:
//!
//! ```no_run
//! use metawrk::load::{LoadPlan, LoadSettings, PreparedLoad};
//! use metawrk::record::Clock;
//! use metawrk::stats::value_at_percentile;
//! use metawrk::units::Time;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = LoadSettings {
//!     connections: 8,
//!     duration: Time::from_secs(10),
//!     ..LoadSettings::new("http://127.0.0.1:8080/", 500.0) // requests/s
//! };
//! let load = PreparedLoad::new(LoadPlan::new(settings)?, None)?; // connects, and checks the script if there is one
//! let result = load.start(Clock::starting_in(Time::from_millis(10))).finish()?;
//! let p99_us = value_at_percentile(&result.latencies().response, 99.0);
//! println!("{} answered, p99 {p99_us} us from the due time", result.account().answered);
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! In order of dependency: a module imports only modules above it in this list.
//!
//! | module | content |
//! |---|---|
//! | [`units`], [`stats`], [`byte_text`], [`target`], [`http1`] | spans and instants, percentiles, text that need not be UTF-8, URLs, framing of HTTP/1.1: pure |
//! | [`option_name`] | how the users of a command write an option, for warnings and remedies |
//! | [`arrivals`] | when each request is due |
//! | [`record`] | what happened: records, events, histograms, and the files that hold them |
//! | [`threshold`] | conditions that a run must keep, such as `p99>50ms`: pure |
//! | [`script`] | Lua scripts, with the API of wrk |
//! | [`load`] | the generator: threads, pacing, connections |
//! | `docker`, `testbed`, `monitor`, `fault` | the engine, the embedded system under test, sampling, faults that are always removed |
//! | [`cluster`] | several generators that send one load |
//! | [`plan`] | an experiment file, resolved to a plan that can be carried out |
//! | [`verdict`] | goodput, and what a run showed: pure |
//! | [`twin`] | a simulated system, for predictions: pure |
//! | [`report`] | texts, JSON, figures and pages, drawn from recorded data |
//! | [`experiment`] | load, faults and monitors on one clock |
//! | [`lab`] | from single runs to an answer that states its confidence |
//! | `cli` | command lines of both programs |
//!
//! Modules without a link are not part of the public API: they are visible only to this package's own programs and tests.

pub mod arrivals;
pub mod byte_text;
pub mod cluster;
pub mod experiment;
pub mod http1;
pub mod lab;
pub mod load;
pub mod option_name;
pub mod plan;
pub mod record;
pub mod report;
pub mod script;
pub mod stats;
pub mod target;
pub mod threshold;
pub mod twin;
pub mod units;
pub mod verdict;

// Not public API: the programs in this package and the tests in tests/ need them.
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod docker;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod monitor;
#[doc(hidden)]
pub mod procfs;
#[doc(hidden)]
pub mod testbed;

pub(crate) mod base64;
pub(crate) mod input;
pub(crate) mod out;
pub(crate) mod signals;
pub(crate) mod timer;
pub(crate) mod whole_file;
