use httparse::{Header, Status};

use super::body::Body;
use super::{MAX_HEADERS, ProtocolError};

/// What a string of requests asks of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// How many responses will come.
    pub count: usize,
    /// The (last) request is a HEAD: its response has no body.
    pub head: bool,
}

/// Why bytes are no HTTP request.
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

/// Counts the requests in what a script returned. Nothing is changed, and absolute targets are fine.
///
/// # Errors
/// [`RequestError`] says why it is no request, or no whole one.
pub fn scan_requests(mut bytes: &[u8]) -> Result<Requests, RequestError> {
    let mut found = Requests { count: 0, head: false };
    while !bytes.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let taken = take_head(&mut request, bytes)?;
        found.count += 1;
        found.head = request.method == Some("HEAD");
        bytes = take_body(request.headers, &bytes[taken..], &mut |_| {})?;
    }
    if found.count == 0 { Err(RequestError::Empty) } else { Ok(found) }
}

/// A request taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    pub method: &'a str,
    /// A path, or a URL, as it stands there.
    pub target: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// What chunks held, where it came in chunks.
    pub body: Vec<u8>,
}

/// Takes the first of the requests apart; gives back what stands behind it.
///
/// # Errors
/// As [`scan_requests`].
pub fn take_request(bytes: &[u8]) -> Result<(Parts<'_>, &[u8]), RequestError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let taken = take_head(&mut request, bytes)?;
    let mut body = Vec::new();
    let rest = take_body(request.headers, &bytes[taken..], &mut |data| body.extend_from_slice(data))?;
    let parts = Parts {
        method: request.method.unwrap_or_default(),
        target: request.path.unwrap_or_default(),
        headers: request.headers.iter().map(|header| (header.name, header.value)).collect(),
        body,
    };
    Ok((parts, rest))
}

fn take_head<'b>(request: &mut httparse::Request<'_, 'b>, bytes: &'b [u8]) -> Result<usize, RequestError> {
    match request.parse(bytes) {
        Ok(Status::Complete(taken)) => Ok(taken),
        Ok(Status::Partial) => Err(RequestError::CutHead),
        Err(error) => Err(RequestError::Head(error)),
    }
}

fn take_body<'a>(
    headers: &[Header<'_>],
    bytes: &'a [u8],
    data: &mut dyn FnMut(&[u8]),
) -> Result<&'a [u8], RequestError> {
    let mut body = match Body::announced(headers).map_err(RequestError::Body)? {
        // A request without a length has no body (RFC 9112, 6.3).
        None => Body::Length(0),
        Some(Body::UntilClose) => return Err(RequestError::Body(ProtocolError::Chunk)),
        Some(body) => body,
    };
    match body.take(bytes, data).map_err(RequestError::Body)? {
        (taken, true) => Ok(&bytes[taken..]),
        (_, false) => Err(RequestError::CutBody),
    }
}
