use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::body::Body;
use super::{MAX_HEADERS, ProtocolError};

/// A request in a string of requests (an HTTP pipeline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelinedRequest {
    /// The offset of its end in the string, where the next one begins.
    pub end: usize,
    /// Whether it is a HEAD request, whose response has no body.
    pub is_head: bool,
}

/// Why bytes are not HTTP requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("it is empty")]
    Empty,
    #[error("it cannot be parsed ({0})")]
    Head(httparse::Error),
    #[error("it ends within a head, which must end in a blank line (\\r\\n\\r\\n)")]
    CutHead,
    #[error("it ends within a body (is Content-Length too great?)")]
    CutBody,
    #[error("its body is invalid: {0}")]
    Body(ProtocolError),
}

/// Finds the requests in the string that a script returned, and replaces the content of `parts` with them. Absolute
/// request targets are allowed.
///
/// # Errors
/// [`RequestError`] if a request is invalid or incomplete. `parts` then contains the requests before it.
pub fn scan_requests(bytes: &[u8], parts: &mut Vec<PipelinedRequest>) -> Result<(), RequestError> {
    parts.clear();
    let mut end = 0;
    while end < bytes.len() || parts.is_empty() {
        let part = scan_one(&bytes[end..])?;
        end += part.end;
        parts.push(PipelinedRequest { end, ..part });
    }
    Ok(())
}

fn scan_one(bytes: &[u8]) -> Result<PipelinedRequest, RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head = parse_head(&mut request, bytes, &mut headers)?;
    let body = decode_body(request.headers, &bytes[head..], &mut |_| {})?;
    Ok(PipelinedRequest { end: head + body, is_head: request.method == Some("HEAD") })
}

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The request target: a path or a URL.
    pub target: &'a str,
    /// Names and values, in order.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The body, decoded if it was chunked.
    pub body: Vec<u8>,
}

/// Parses the first request of `bytes`.
///
/// # Errors
/// The errors of [`scan_requests`].
pub fn parse_request(bytes: &[u8]) -> Result<Request<'_>, RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head = parse_head(&mut request, bytes, &mut headers)?;
    let mut body = Vec::new();
    decode_body(request.headers, &bytes[head..], &mut |data| body.extend_from_slice(data))?;
    Ok(Request {
        method: request.method.unwrap_or_default(),
        target: request.path.unwrap_or_default(),
        headers: request.headers.iter().map(|header| (header.name, header.value)).collect(),
        body,
    })
}

/// Parses a head and returns its length.
fn parse_head<'h, 'b>(
    request: &mut httparse::Request<'h, 'b>,
    bytes: &'b [u8],
    headers: &'h mut [MaybeUninit<Header<'b>>],
) -> Result<usize, RequestError> {
    if bytes.is_empty() {
        return Err(RequestError::Empty);
    }
    match request.parse_with_uninit_headers(bytes, headers) {
        Ok(Status::Complete(taken)) => Ok(taken),
        Ok(Status::Partial) => Err(RequestError::CutHead),
        Err(error) => Err(RequestError::Head(error)),
    }
}

/// Decodes a body and returns its encoded length.
fn decode_body(headers: &[Header<'_>], bytes: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<usize, RequestError> {
    let mut body = match Body::from_headers(headers).map_err(RequestError::Body)? {
        // A request without a length has no body (RFC 9112, 6.3).
        None => Body::Length(0),
        Some(Body::UntilClose) => return Err(RequestError::Body(ProtocolError::Chunk)),
        Some(body) => body,
    };
    match body.decode(bytes, data).map_err(RequestError::Body)? {
        (taken, true) => Ok(taken),
        (_, false) => Err(RequestError::CutBody),
    }
}
