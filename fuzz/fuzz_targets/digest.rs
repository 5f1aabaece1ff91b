//! Any lines of a `digest.jsonl` give a digest that is written and read back unchanged, or an error with a message, and
//! never a panic.
//!
//! `cargo fuzz run digest -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/stats.rs"]
mod stats;
#[path = "../../src/units.rs"]
mod units;

#[path = "../../src/record"]
mod record {
    mod account;
    mod cause;
    pub mod digest;
    mod latencies;
    mod lower_bounds;
    mod outcome;
    mod request_record;

    pub use account::{Account, ErrorCounts};
    pub use cause::{CauseCount, ErrorCause, ErrorCauses};
    pub use latencies::Latencies;
    pub use lower_bounds::LowerBounds;
    pub use outcome::Outcome;
    pub use request_record::RequestRecord;
}

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use record::digest::{DigestOrigin, format_digest, parse_digest};

fuzz_target!(|lines: &[u8]| {
    let origin = DigestOrigin::new(BTreeMap::new(), String::new());
    let text = [&serde_json::to_vec(&origin).unwrap(), &b"\n"[..], lines, b"\n"].concat();
    match parse_digest(&text, |_| true) {
        // The first line is always an origin.
        Ok(None) => unreachable!(),
        Ok(Some((origin, digest))) => {
            let mut written = Vec::new();
            format_digest(&mut written, &origin, &digest).unwrap();
            assert!(parse_digest(&written, |_| true) == Ok(Some((origin, digest))));
        }
        Err(error) => assert!(!error.is_empty()),
    }
});
