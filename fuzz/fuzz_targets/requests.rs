//! Whatever a script returns: no panic, and a string of requests is counted as its parts are.
//!
//! `cargo fuzz run requests -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]

#[path = "../../src/http1/mod.rs"]
#[allow(dead_code, unused_imports)]
mod http1;

use http1::{Requests, scan_requests};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (first, second) = input;
    let Ok(one) = scan_requests(first) else { return };
    assert!(one.count > 0);
    let both = scan_requests(&[first, second].concat());
    match scan_requests(second) {
        Ok(other) => assert_eq!(both, Ok(Requests { count: one.count + other.count, head: other.head })),
        Err(_) if second.is_empty() => assert_eq!(both, Ok(one)),
        Err(_) => assert!(both.is_err()),
    }
});
