//! A load generator that replaces wrk2, and a laboratory for metastable failures.
//!
//! The programs `wrk2` and `metawrk` only call this library. A load from Rust:
//!
//! ```
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! # let url = format!("http://{}/", listener.local_addr().unwrap());
//! # std::thread::spawn(move || {
//! #     for mut stream in listener.incoming().flatten() {
//! #         std::thread::spawn(move || {
//! #             use std::io::{Read, Write};
//! #             while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
//! #                 stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
//! #             }
//! #         });
//! #     }
//! # });
//! # fn main_of_the_example(url: &str) -> Result<(), metawrk::RunError> {
//! use std::time::Duration;
//!
//! let result = metawrk::Load::new(url, 500.0) // requests/s
//!     .connections(8)
//!     .duration(Duration::from_millis(300))
//!     .on_second(|second| println!("{second}"))
//!     .run()?;
//! for percent in [50.0, 99.0, 99.9] {
//!     let time = result.latencies().response_time(percent);
//!     println!("p{percent} {} from the due time", time.expect("a request was answered"));
//! }
//! # assert_eq!(result.account().answered, 150);
//! # Ok(())
//! # }
//! # main_of_the_example(&url).unwrap();
//! ```
//!
//! [`Load`] has the settings that most loads need, and [`LoadSettings`](load::LoadSettings) all of them. `examples/load.rs` is a program.
//!
//! # What is public
//!
//! | item | content |
//! |---|---|
//! | [`Load`] | one load: from a URL to percentiles, with a callback each second |
//! | [`load`] | the generator: plans, control of a running load, results |
//! | [`arrivals`] | when each request is due |
//! | [`record`] | what happened: records, counts, histograms, and files of records |
//! | [`script`] | Lua scripts, with the API of wrk |
//! | [`units`], [`stats`], [`byte_text`] | spans and instants, percentiles, text that need not be UTF-8 |
//!
//! The crate has further modules, for the programs: experiments, faults, monitors, verdicts, reports and campaigns of
//! runs. They change with the programs, so they are not documented here. Programs that need them call `metawrk` and read
//! the files that it writes.

#![warn(missing_docs)]

pub mod arrivals;
pub mod byte_text;
pub mod load;
pub mod record;
pub mod script;
pub mod stats;
pub mod units;

pub use load::builder::Load;
pub use load::{IntervalStatistics, RunError};

// Not public API: the programs in this package, its benches and the tests in tests/ need them.
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod cluster;
#[doc(hidden)]
pub mod docker;
#[doc(hidden)]
pub mod experiment;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod http1;
#[doc(hidden)]
pub mod lab;
#[doc(hidden)]
pub mod monitor;
#[doc(hidden)]
pub mod option_name;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod procfs;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod target;
#[doc(hidden)]
pub mod testbed;
#[doc(hidden)]
pub mod threshold;
#[doc(hidden)]
pub mod twin;
#[doc(hidden)]
pub mod verdict;

pub(crate) mod base64;
pub(crate) mod input;
pub(crate) mod out;
pub(crate) mod signals;
pub(crate) mod timer;
pub(crate) mod whole_file;
