//! Any string that a script returns: no panic, and the requests of a concatenation are the concatenated requests.
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
    let Ok(mut parts) = scan(first) else { return };
    assert_eq!(parts.last().map(|part| part.end), Some(first.len()));
    let both = scan(&[first, second].concat());
    match scan(second) {
        Ok(others) => {
            parts.extend(others.iter().map(|part| PipelinedRequest { end: first.len() + part.end, ..*part }));
            assert_eq!(both, Ok(parts));
        }
        Err(_) if second.is_empty() => assert_eq!(both, Ok(parts)),
        Err(_) => assert!(both.is_err()),
    }
});
