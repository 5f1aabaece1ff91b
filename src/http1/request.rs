use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::MAX_HEADERS;
use super::body::{Body, Piece};

/// A request in a string of requests (an HTTP pipeline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelinedRequest {
    /// The offset of its end in the string, where the next one begins.
    pub end: usize,
    /// Whether it is a HEAD request, whose response has no body.
    pub is_head: bool,
}

/// Why bytes are not requests that can be sent: a server would wait for their end, or they have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("it is empty")]
    Empty,
    #[error("it ends within a head, which must end in a blank line (\\r\\n\\r\\n)")]
    CutHead,
    #[error("it ends within a body (is Content-Length too great?)")]
    CutBody,
}

/// Finds the requests in the string that a script returned, and replaces the content of `parts` with them.
///
/// Everything that has an end is a request, even if a server will refuse it: a script may test just that. Bytes between
/// requests, such as a body that is longer than its Content-Length, belong to the request before them.
///
/// # Errors
/// [`RequestError`] if a request is incomplete. `parts` then contains the requests before it.
pub fn scan_requests(bytes: &[u8], parts: &mut Vec<PipelinedRequest>) -> Result<(), RequestError> {
    parts.clear();
    let mut end = 0;
    while end < bytes.len() || parts.is_empty() {
        let rest = &bytes[end..];
        let Some(part) = scan_one(rest, parts.is_empty())? else {
            if let Some(last) = parts.last_mut() {
                last.end = bytes.len();
            }
            break;
        };
        end += part.end;
        parts.push(PipelinedRequest { end, ..part });
    }
    Ok(())
}

/// Finds the first request of `bytes`. `None` if they do not begin with one, which is possible only behind another request.
fn scan_one(bytes: &[u8], is_first: bool) -> Result<Option<PipelinedRequest>, RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    if let Ok(Status::Complete(head)) = request.parse_with_uninit_headers(bytes, &mut headers) {
        let body = body_length(request.headers, &bytes[head..], &mut |_| {})?;
        return Ok(Some(PipelinedRequest { end: head + body, is_head: request.method == Some("HEAD") }));
    }
    if bytes.is_empty() {
        return Err(RequestError::Empty);
    }
    if !is_first && !begins_as_request(bytes) {
        return Ok(None);
    }
    let head = UnusualHead::split(bytes).ok_or(RequestError::CutHead)?;
    let body = body_length(&head.headers(), &bytes[head.length..], &mut |_| {})?;
    Ok(Some(PipelinedRequest { end: head.length + body, is_head: head.method() == b"HEAD" }))
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
    if let Ok(Status::Complete(head)) = request.parse_with_uninit_headers(bytes, &mut headers) {
        let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        return with_body(method, target, request.headers, &bytes[head..]);
    }
    if bytes.is_empty() {
        return Err(RequestError::Empty);
    }
    let head = UnusualHead::split(bytes).ok_or(RequestError::CutHead)?;
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    with_body(text(head.method()), text(head.target()), &head.headers(), &bytes[head.length..])
}

fn with_body<'a>(
    method: &'a str,
    target: &'a str,
    headers: &[Header<'a>],
    rest: &[u8],
) -> Result<Request<'a>, RequestError> {
    let mut body = Vec::new();
    body_length(headers, rest, &mut |data| body.extend_from_slice(data))?;
    Ok(Request { method, target, headers: headers.iter().map(|header| (header.name, header.value)).collect(), body })
}

/// Decodes a body and returns its encoded length. A body whose length is announced wrongly reaches to the end.
fn body_length(headers: &[Header<'_>], bytes: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<usize, RequestError> {
    let mut body = match Body::from_headers(headers) {
        // A request without a length has no body (RFC 9112, 6.3).
        Ok(None) => Body::Length(0),
        Ok(Some(Body::UntilClose)) | Err(_) => return Ok(bytes.len()),
        Ok(Some(body)) => body,
    };
    let mut handle = |piece: Piece<'_>| {
        if let Piece::Data(bytes) = piece {
            data(bytes);
        }
    };
    match body.decode(bytes, &mut handle) {
        Ok((taken, true)) => Ok(taken),
        Ok((_, false)) => Err(RequestError::CutBody),
        Err(_) => Ok(bytes.len()),
    }
}

/// Whether the first line has the form of a request line, `METHOD target HTTP/1.1`.
fn begins_as_request(bytes: &[u8]) -> bool {
    let line = first_line(bytes);
    let mut words = line.split(|&byte| byte == b' ');
    let is_method = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic);
    words.next().is_some_and(is_method) && words.next_back().is_some_and(|last| last.starts_with(b"HTTP/"))
}

/// The first line that is not empty, without its line end.
pub fn first_line(bytes: &[u8]) -> &[u8] {
    let is_text = |line: &&[u8]| !line.is_empty();
    bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).find(is_text).unwrap_or_default()
}

/// A head that `httparse` refuses: one with a space in its path, for example. It is split at its line ends.
struct UnusualHead<'a> {
    /// The request line and the header lines.
    lines: Vec<&'a [u8]>,
    length: usize,
}

impl<'a> UnusualHead<'a> {
    /// The head at the start of `bytes`. `None` if it has no end.
    fn split(bytes: &'a [u8]) -> Option<UnusualHead<'a>> {
        let (mut lines, mut length) = (Vec::new(), 0);
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            length += line.len();
            let text = line.strip_suffix(b"\n")?;
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            match text.is_empty() {
                false => lines.push(text),
                // Servers skip empty lines before a request.
                true if lines.is_empty() => {}
                true => return Some(UnusualHead { lines, length }),
            }
        }
        None
    }

    fn method(&self) -> &'a [u8] {
        self.request_line().split(|&byte| byte == b' ').next().unwrap_or_default()
    }

    /// What stands between the method and the version, which may contain spaces.
    fn target(&self) -> &'a [u8] {
        let line = &self.request_line()[self.method().len()..];
        let end = line.iter().rposition(|&byte| byte == b' ').unwrap_or(line.len());
        line[..end].trim_ascii()
    }

    fn request_line(&self) -> &'a [u8] {
        self.lines.first().copied().unwrap_or_default()
    }

    fn headers(&self) -> Vec<Header<'a>> {
        let split = |line: &&'a [u8]| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?.trim();
            Some(Header { name, value: line[colon + 1..].trim_ascii() })
        };
        self.lines.iter().skip(1).filter_map(split).collect()
    }
}
