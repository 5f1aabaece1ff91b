//! HTTP/1.1 framing over bytes: where a response ends, and which requests a script's string holds.
//!
//! Pure: bytes in, answers out; no socket, no clock. Heads are parsed by `httparse`, bodies are delimited by RFC 9112
//! section 6.3. Whatever bytes come, the answer is a response, an error, or "more": never a panic, and never more
//! memory than [`MAX_HEAD`].

mod body;
mod request;
mod response;

pub use request::{PipelinedRequest, Request, RequestError, parse_request, scan_requests};
pub use response::{FrameProgress, Framer, NullSink, Response, ResponseSink};

/// A head (or the sizes, extensions and trailers between two chunks) longer than this breaks the protocol, in bytes.
pub const MAX_HEAD: usize = 128 * 1024;

/// A head with more header lines than this breaks the protocol.
pub const MAX_HEADERS: usize = 512;

/// How a response broke HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("not an HTTP/1 head: {0}")]
    Head(httparse::Error),
    #[error("a head of more than 128 KiB or {MAX_HEADERS} header lines")]
    HeadTooLong,
    #[error("a Content-Length that is no number, or two that differ")]
    ContentLength,
    #[error("a chunk with no proper size line or end")]
    Chunk,
    #[error("a switch to another protocol that nobody asked for")]
    Switch,
    #[error("the connection closed before the response was whole")]
    Closed,
}

#[cfg(test)]
mod tests;
