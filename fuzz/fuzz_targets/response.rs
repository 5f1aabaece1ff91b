//! Whatever a server sends: no panic, no endless memory, and the same answer however the bytes are cut into reads.
//!
//! `cargo fuzz run response -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]

#[path = "../../src/http1/mod.rs"]
#[allow(dead_code, unused_imports)]
mod http1;

use http1::{FrameProgress, Framer, ProtocolError, Response, ResponseSink};
use httparse::Header;
use libfuzzer_sys::fuzz_target;

/// What a script would be told.
#[derive(Default, Debug, PartialEq)]
struct Told {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl ResponseSink for Told {
    const WANTS_HEADS: bool = true;

    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers = headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect();
    }

    fn body(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }
}

/// The response, what it told, and how many bytes were its own.
fn frame(bytes: &[u8], head: bool, step: usize) -> Result<(Response, Told, usize), ProtocolError> {
    let mut framer = Framer::default();
    framer.expect(head);
    let mut told = Told::default();
    for (i, piece) in bytes.chunks(step).enumerate() {
        if let FrameProgress::Complete { used, response } = framer.feed(piece, &mut told)? {
            assert!(used <= piece.len());
            return Ok((response, told, i * step + used));
        }
    }
    framer.close().map(|response| (response, told, bytes.len()))
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (head, step, bytes) = input;
    if bytes.is_empty() {
        return;
    }
    let at_once = frame(bytes, head, bytes.len());
    let in_pieces = frame(bytes, head, usize::from(step).max(1));
    // Which error is seen first may depend on the cut; whether there is one may not.
    assert_eq!(at_once.ok(), in_pieces.ok());
});
