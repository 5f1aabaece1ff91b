//! Any bytes of a server: no panic, bounded memory, and a result that does not depend on how the bytes are divided into
//! reads.
//!
//! `cargo fuzz run response -- -max_total_time=90 -max_len=4096` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).
#![no_main]

#[path = "../../src/http1/mod.rs"]
#[allow(dead_code, unused_imports)]
mod http1;

use http1::{FrameProgress, Framer, ProtocolError, Response, ResponseSink};
use httparse::Header;
use libfuzzer_sys::fuzz_target;

/// Stores all parts of a response.
#[derive(Default, Debug, PartialEq)]
struct StoringSink {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl ResponseSink for StoringSink {
    const NEEDS_HEADS: bool = true;

    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers = headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect();
    }

    fn body(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }

    fn trailers(&mut self, headers: &[Header<'_>]) {
        self.headers.extend(headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())));
    }
}

/// The response, its parts, and how many bytes belong to it.
fn frame(bytes: &[u8], head: bool, step: usize) -> Result<(Response, StoringSink, usize), ProtocolError> {
    let mut framer = Framer::default();
    framer.expect(head);
    let mut sink = StoringSink::default();
    for (i, piece) in bytes.chunks(step).enumerate() {
        if let FrameProgress::Complete { used, response } = framer.feed(piece, &mut sink)? {
            assert!(used <= piece.len());
            return Ok((response, sink, i * step + used));
        }
    }
    framer.close().map(|response| (response, sink, bytes.len()))
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (head, step, bytes) = input;
    if bytes.is_empty() {
        return;
    }
    let at_once = frame(bytes, head, bytes.len());
    let in_pieces = frame(bytes, head, usize::from(step).max(1));
    // The first error may depend on the division; whether there is one may not.
    assert_eq!(at_once.ok(), in_pieces.ok());
});
