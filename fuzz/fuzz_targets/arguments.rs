//! Any arguments of `wrk2` give load plans or an error with a message, and never a panic.
//!
//! `cargo fuzz run arguments -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/arrivals/mod.rs"]
mod arrivals;
#[path = "../../src/byte_text.rs"]
mod byte_text;
#[path = "../../src/stats.rs"]
mod stats;
#[path = "../../src/target.rs"]
mod target;
#[path = "../../src/units.rs"]
mod units;

#[path = "../../src/load"]
mod load {
    mod options;
    pub mod plan;
    pub use options::write_options;
}

#[path = "../../src/cli/load"]
mod cli {
    pub mod args;
    mod plans;
}

#[path = "../../src/record"]
mod record {
    mod file_error;
    mod output_file;
    pub use file_error::FileError;
    pub use output_file::OutputFile;

    /// Replaces that of `src/record/mod.rs`: what a plan reads of it.
    pub struct RequestRecord {
        pub due: crate::units::Instant,
        pub end: crate::units::Instant,
    }
}

/// Replaces `src/script`, which needs LuaJIT.
mod script {
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    pub struct Script {
        pub name: String,
        pub text: crate::byte_text::ByteText,
    }
}

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::Parser;
use libfuzzer_sys::fuzz_target;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: cli::args::Args,
}

/// Arguments as a shell passes them: they contain no zero bytes.
fn parse(line: &[u8]) -> Result<Program, clap::Error> {
    let words = line.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    Program::try_parse_from(std::iter::once("wrk2".into()).chain(words))
}

fuzz_target!(|line: &[u8]| {
    let args = match parse(line) {
        Ok(Program { args }) => args,
        Err(error) => return assert!(!error.render().to_string().is_empty()),
    };
    let script = |path: &std::path::Path| {
        Ok(script::Script { name: path.display().to_string(), text: byte_text::ByteText::default() })
    };
    match args.plans(script) {
        Ok(plans) => {
            assert!(!plans.is_empty());
            assert!(plans.iter().all(|plan| plan.connections >= plan.threads && plan.part.index < plan.part.of));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
