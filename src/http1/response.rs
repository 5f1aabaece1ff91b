use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::body::Body;
use super::{MAX_HEAD, MAX_HEADERS, ProtocolError};

/// Receives the parts of a response. The framer itself copies nothing.
pub trait ResponseSink {
    /// Whether every head must be parsed, even if it equals the previous one.
    const NEEDS_HEADS: bool;

    fn head(&mut self, status: u16, headers: &[Header<'_>]);
    fn body(&mut self, data: &[u8]);
}

/// Ignores the response.
pub struct NullSink;

impl ResponseSink for NullSink {
    const NEEDS_HEADS: bool = false;

    #[inline]
    fn head(&mut self, _: u16, _: &[Header<'_>]) {}
    #[inline]
    fn body(&mut self, _: &[u8]) {}
}

/// A complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
}

/// The result of [`Framer::feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameProgress {
    /// All bytes were used, and the response is not complete yet.
    More,
    /// The response is complete. `used` bytes of the input belong to it.
    Complete { used: usize, response: Response },
}

/// Longer heads are not cached, because each connection has a cache.
const MOST_CACHED: usize = 512;

/// Finds the ends of the responses in the bytes of a connection.
#[derive(Debug)]
pub struct Framer {
    state: State,
    /// The bytes of an incomplete head.
    partial: Vec<u8>,
    no_body: bool,
    /// The last complete head, and the state after it. A server repeats its head for a second, until its `Date` changes,
    /// and a comparison is much cheaper than parsing, which is 20 % of the user-space time of a request.
    cached_head: Vec<u8>,
    cached_state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Body { response: Response, body: Body },
}

impl Default for Framer {
    fn default() -> Framer {
        Framer {
            state: State::Head,
            partial: Vec::new(),
            no_body: false,
            cached_head: Vec::new(),
            cached_state: State::Head,
        }
    }
}

impl Framer {
    /// Prepares for the next response. A response to HEAD has no body, even if its headers announce one.
    pub fn expect(&mut self, is_head: bool) {
        self.state = State::Head;
        self.partial.clear();
        if self.no_body != is_head {
            // With another method the same head has another meaning.
            self.cached_head.clear();
        }
        self.no_body = is_head;
    }

    /// Processes received bytes.
    ///
    /// # Errors
    /// [`ProtocolError`] if they are not an HTTP/1 response. Call [`Framer::expect`] before the next bytes.
    pub fn feed(&mut self, input: &[u8], sink: &mut impl ResponseSink) -> Result<FrameProgress, ProtocolError> {
        let mut used = 0;
        loop {
            match &mut self.state {
                State::Head => match self.parse_head(&input[used..], sink)? {
                    None => return Ok(FrameProgress::More),
                    Some(taken) => used += taken,
                },
                State::Body { response, body } => {
                    let (taken, whole) = body.decode(&input[used..], &mut |data| sink.body(data))?;
                    used += taken;
                    return Ok(if whole {
                        FrameProgress::Complete { used, response: *response }
                    } else {
                        FrameProgress::More
                    });
                }
            }
        }
    }

    /// Processes the end of the connection, which ends a response of unknown length.
    ///
    /// # Errors
    /// [`ProtocolError::Closed`] if the response is incomplete.
    pub fn close(&self) -> Result<Response, ProtocolError> {
        match self.state {
            State::Body { response, body: Body::UntilClose } => Ok(response),
            _ => Err(ProtocolError::Closed),
        }
    }

    /// Parses a head. Returns how many bytes of `input` belong to it, or `None` if it is incomplete.
    fn parse_head<S: ResponseSink>(&mut self, input: &[u8], sink: &mut S) -> Result<Option<usize>, ProtocolError> {
        let before = self.partial.len();
        if before == 0 {
            if !S::NEEDS_HEADS && !self.cached_head.is_empty() && input.starts_with(&self.cached_head) {
                self.state = self.cached_state;
                return Ok(Some(self.cached_head.len()));
            }
            return match parse(input, self.no_body, sink)? {
                Some((taken, state)) => {
                    self.state = state;
                    if !S::NEEDS_HEADS && taken <= MOST_CACHED {
                        self.cached_head.clear();
                        self.cached_head.extend_from_slice(&input[..taken]);
                        self.cached_state = state;
                    }
                    Ok(Some(taken))
                }
                None => self.buffer(input),
            };
        }
        // A head ends in a line feed. Without one, parsing again is useless, and slow for a peer that sends single bytes.
        if !input.contains(&b'\n') {
            return self.buffer(input);
        }
        self.partial.extend_from_slice(&input[..input.len().min(MAX_HEAD)]);
        match parse(&self.partial, self.no_body, sink)? {
            Some((taken, state)) => {
                self.state = state;
                self.partial = Vec::new();
                Ok(Some(taken - before))
            }
            None => self.buffer(&[]),
        }
    }

    fn buffer(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        if self.partial.len() + input.len() > MAX_HEAD {
            return Err(ProtocolError::HeadTooLong);
        }
        self.partial.extend_from_slice(input);
        Ok(None)
    }
}

fn parse(bytes: &[u8], no_body: bool, sink: &mut impl ResponseSink) -> Result<Option<(usize, State)>, ProtocolError> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut headers);
    let taken = match parsed {
        Ok(Status::Complete(taken)) if taken > MAX_HEAD => return Err(ProtocolError::HeadTooLong),
        Ok(Status::Complete(taken)) => taken,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ProtocolError::HeadTooLong),
        Err(error) => return Err(ProtocolError::Head(error)),
    };
    let status = head.code.unwrap_or(0);
    match status {
        101 => return Err(ProtocolError::Switch),
        // An interim response. The final one follows.
        100..=199 => return Ok(Some((taken, State::Head))),
        _ => sink.head(status, head.headers),
    }
    let body = if no_body || matches!(status, 204 | 304) {
        Body::Length(0)
    } else {
        Body::from_headers(head.headers)?.unwrap_or(Body::UntilClose)
    };
    let keep_alive = body != Body::UntilClose && is_keep_alive(head.version == Some(1), head.headers);
    Ok(Some((taken, State::Body { response: Response { status, keep_alive }, body })))
}

/// Whether the connection stays open: by default in HTTP/1.1, only with `keep-alive` in HTTP/1.0.
fn is_keep_alive(version_1_1: bool, headers: &[Header<'_>]) -> bool {
    let mut open = version_1_1;
    for header in headers.iter().filter(|h| h.name.eq_ignore_ascii_case("connection")) {
        for option in header.value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                return false;
            }
            open |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    open
}
