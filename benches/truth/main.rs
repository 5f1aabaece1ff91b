//! Compares what metawrk's wrk2 reports with the truth: response times that are known from formulas, from arithmetic, or
//! from the log of the server.
//!
//!     cargo bench --bench truth -- [queues disturbances keeper] [--quick]
//!
//! It prints tables, and fails if a figure is outside of its bounds. The server has core 1, the generator core 0, so it
//! needs two cores that do nothing else. `WRK2=path` and `OHA=path` name other generators for the section `keeper`.

mod closed_form;
mod disturbances;
mod figures;
#[path = "../versus/floor.rs"]
#[allow(dead_code)] // this bench uses a part of it
mod floor;
mod generator;
mod keeper;
mod loopback;
#[path = "../versus/peers.rs"]
#[allow(dead_code)] // this bench uses a part of it
mod peers;
mod queues;
mod report;
mod server;
mod simulation;

use std::io;
use std::process::ExitCode;

use report::Report;
use server::{Server, pin_to_core};

/// What a section needs.
pub struct Bench {
    server: Server,
    /// A short run of each case.
    quick: bool,
}

impl Bench {
    /// The values of `--when-busy`.
    fn modes(&self) -> impl Iterator<Item = &'static str> {
        ["open", "pipeline", "wait"].into_iter().take(if self.quick { 1 } else { 3 })
    }
}

type Section = fn(&Bench, &mut Report) -> io::Result<()>;
const SECTIONS: [(&str, Section); 3] =
    [("queues", queues::run), ("disturbances", disturbances::run), ("keeper", keeper::run)];

fn main() -> io::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (quick, names): (Vec<_>, Vec<_>) = args.iter().map(String::as_str).partition(|arg| *arg == "--quick");
    if let Some(unknown) = names.iter().find(|name| !SECTIONS.iter().any(|(known, _)| known == *name)) {
        let known = SECTIONS.map(|(name, _)| name).join(", ");
        return Err(io::Error::other(format!("unknown section `{unknown}`. The sections are {known}")));
    }
    let bench = Bench { server: Server::start(1)?, quick: !quick.is_empty() };
    pin_to_core(0)?;
    let mut report = Report::default();
    for (name, section) in SECTIONS {
        if names.is_empty() || names.contains(&name) {
            section(&bench, &mut report)?;
        }
    }
    Ok(report.finish())
}
