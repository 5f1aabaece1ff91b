//! Any arguments of `wrk2` give load plans or an error with a message, and never a panic.
//!
//! `cargo fuzz run arguments -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/arrivals/mod.rs"]
mod arrivals;
#[path = "../../src/byte_text.rs"]
mod byte_text;
#[path = "../../src/input.rs"]
mod input;
#[path = "../../src/stats.rs"]
mod stats;
#[path = "../../src/target.rs"]
mod target;
#[path = "../../src/threshold/mod.rs"]
mod threshold;
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
    mod account;
    mod cause;
    pub mod digest;
    pub mod event;
    mod file_error;
    mod latencies;
    mod lower_bounds;
    mod outcome;
    mod output_file;
    mod request_record;

    pub use account::{Account, ErrorCounts};
    pub use cause::{CauseCount, ErrorCause, ErrorCauses};
    pub use event::Abort;
    pub use file_error::FileError;
    pub use latencies::Latencies;
    pub use lower_bounds::LowerBounds;
    pub use outcome::Outcome;
    pub use output_file::OutputFile;
    pub use request_record::RequestRecord;
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
