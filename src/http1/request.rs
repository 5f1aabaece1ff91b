use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::body::Body;
use super::{MAX_HEADERS, ProtocolError};

/// One of the requests in a string of them (an HTTP pipeline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelinedRequest {
    /// Where it ends in the string; the next one begins there.
    pub end: usize,
    /// A HEAD request: its response has no body.
    pub head: bool,
}

/// Why bytes are no HTTP requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("it is empty")]
    Empty,
    #[error("it does not parse: {0}")]
    Head(httparse::Error),
    #[error("it ends in the middle of a head (a blank line, \\r\\n\\r\\n, ends it)")]
    CutHead,
    #[error("it ends in the middle of a body (Content-Length says more than there is)")]
    CutBody,
    #[error("its body does not parse: {0}")]
    Body(ProtocolError),
}

/// Finds the requests in what a script returned, and puts them into `parts` in place of what was there. Nothing is
/// changed, and absolute targets are fine.
///
/// # Errors
/// [`RequestError`] says why it is no request, or no whole one; `parts` then holds those before it.
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
    let head = take_head(&mut request, bytes, &mut headers)?;
    let body = take_body(request.headers, &bytes[head..], &mut |_| {})?;
    Ok(PipelinedRequest { end: head + body, head: request.method == Some("HEAD") })
}

/// A request taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub method: &'a str,
    /// A path, or a URL, as it stands there.
    pub target: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// What chunks held, where it came in chunks.
    pub body: Vec<u8>,
}

/// Takes the first of the requests apart.
///
/// # Errors
/// As [`scan_requests`].
pub fn parse_request(bytes: &[u8]) -> Result<Request<'_>, RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head = take_head(&mut request, bytes, &mut headers)?;
    let mut body = Vec::new();
    take_body(request.headers, &bytes[head..], &mut |data| body.extend_from_slice(data))?;
    Ok(Request {
        method: request.method.unwrap_or_default(),
        target: request.path.unwrap_or_default(),
        headers: request.headers.iter().map(|header| (header.name, header.value)).collect(),
        body,
    })
}

/// Says how long the head is.
fn take_head<'h, 'b>(
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

/// Says how long the body is, as it stands there.
fn take_body(headers: &[Header<'_>], bytes: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<usize, RequestError> {
    let mut body = match Body::from_headers(headers).map_err(RequestError::Body)? {
        // A request without a length has no body (RFC 9112, 6.3).
        None => Body::Length(0),
        Some(Body::UntilClose) => return Err(RequestError::Body(ProtocolError::Chunk)),
        Some(body) => body,
    };
    match body.take(bytes, data).map_err(RequestError::Body)? {
        (taken, true) => Ok(taken),
        (_, false) => Err(RequestError::CutBody),
    }
}
