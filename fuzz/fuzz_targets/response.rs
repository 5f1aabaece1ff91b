//! Whatever a server sends: no panic, no endless memory, and the same answer however the bytes are cut into reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metawrk::http1::{Fed, Framer, Ignore, ProtocolError, Response};

/// The response, and how many bytes were its own.
fn frame(bytes: &[u8], head: bool, step: usize) -> Result<(Response, usize), ProtocolError> {
    let mut framer = Framer::default();
    framer.expect(head);
    for (i, piece) in bytes.chunks(step).enumerate() {
        if let Fed::Complete { used, response } = framer.feed(piece, &mut Ignore)? {
            assert!(used <= piece.len());
            return Ok((response, i * step + used));
        }
    }
    framer.close().map(|response| (response, bytes.len()))
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
