//! HTTP/1.1 framing: finds the end of a response, and the requests in the string of a script.
//!
//! `httparse` parses heads. Bodies are delimited by RFC 9112, section 6.3. For any input the result is a response, an
//! error, or a request for more bytes. There are no panics, and no use of memory beyond [`MAX_HEAD`].

mod body;
mod header_lines;
mod request;
mod response;

pub use header_lines::unfold;
pub use request::{PipelinedRequest, Request, RequestError, first_line, parse_request, scan_requests};
pub use response::{FrameProgress, Framer, NullSink, Response, ResponseSink};

/// The greatest length of a head in bytes, and of the sizes, extensions and trailers between two chunks. A longer one is
/// a protocol error.
pub const MAX_HEAD: usize = 128 * 1024;

/// The greatest number of header lines of a request, and of those of a response that are parsed without allocating.
pub const MAX_HEADERS: usize = 512;

/// How a message breaks HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("not an HTTP/1 head ({0})")]
    Head(httparse::Error),
    #[error("an HTTP/2 frame: the port speaks HTTP/2")]
    Http2,
    #[error("a TLS record: the port speaks TLS, and the URL says http")]
    Tls,
    #[error("a head of more than 128 KiB")]
    HeadTooLong,
    #[error("the status {0:03}, which is below 100")]
    Status(u16),
    #[error("a Content-Length that is not a number, or two that differ")]
    ContentLength,
    #[error("an invalid chunk size, or a chunk without its end")]
    Chunk,
    #[error("a switch to another protocol (status 101) that was not requested")]
    Switch,
    #[error("the connection closed before the response was complete")]
    Closed,
}

#[cfg(test)]
mod tests;
