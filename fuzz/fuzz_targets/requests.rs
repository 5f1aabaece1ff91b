//! Any string that a script returns: no panic, and each byte belongs to a request.
//!
//! `cargo fuzz run requests -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]

#[path = "../../src/http1/mod.rs"]
#[allow(dead_code, unused_imports)]
mod http1;

use http1::{PipelinedRequest, RequestError, scan_requests};
use libfuzzer_sys::fuzz_target;

fn scan(bytes: &[u8]) -> Result<Vec<PipelinedRequest>, RequestError> {
    let mut parts = Vec::new();
    scan_requests(bytes, &mut parts).map(|()| parts)
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (first, second) = input;
    let Ok(parts) = scan(first) else { return };
    assert_eq!(parts.last().map(|part| part.end), Some(first.len()));
    // Bytes behind a request that do not begin with a request line belong to the request before them.
    if let Ok(both) = scan(&[first, second].concat()) {
        assert_eq!(both.last().map(|part| part.end), Some(first.len() + second.len()));
        assert!(both.is_sorted_by_key(|part| part.end));
    }
});
