use httparse::Header;

use super::body::{Body, Piece};
use super::header_lines::{parse_response_head, parse_trailers};
use super::{MAX_HEAD, ProtocolError};

/// Receives the parts of a response. The framer itself copies nothing.
pub trait ResponseSink {
    /// Whether every head must be parsed, even if it equals the previous one.
    const NEEDS_HEADS: bool;

    /// The values of folded lines contain their line ends: see [`super::unfold`].
    fn head(&mut self, status: u16, headers: &[Header<'_>]);
    fn body(&mut self, data: &[u8]);
    /// The trailer fields of a chunked body, after its data. Called only if heads are needed.
    fn trailers(&mut self, headers: &[Header<'_>]);
}

/// Ignores the response.
pub struct NullSink;

impl ResponseSink for NullSink {
    const NEEDS_HEADS: bool = false;

    #[inline]
    fn head(&mut self, _: u16, _: &[Header<'_>]) {}
    #[inline]
    fn body(&mut self, _: &[u8]) {}
    #[inline]
    fn trailers(&mut self, _: &[Header<'_>]) {}
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
    /// The bytes of an incomplete head, or of a trailer section.
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
    pub fn feed<S: ResponseSink>(&mut self, input: &[u8], sink: &mut S) -> Result<FrameProgress, ProtocolError> {
        let mut used = 0;
        loop {
            match &mut self.state {
                State::Head => match self.parse_head(&input[used..], sink)? {
                    None => return Ok(FrameProgress::More),
                    Some(taken) => used += taken,
                },
                State::Body { response, body } => {
                    let partial = &mut self.partial;
                    let mut handle = |piece: Piece<'_>| match piece {
                        Piece::Data(data) => sink.body(data),
                        Piece::Trailer(byte) if S::NEEDS_HEADS => partial.push(byte),
                        Piece::Trailer(_) => {}
                    };
                    let (taken, whole) = body.decode(&input[used..], &mut handle)?;
                    used += taken;
                    if whole && !self.partial.is_empty() {
                        parse_trailers(&self.partial, |headers| sink.trailers(headers));
                        self.partial = Vec::new();
                    }
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
    let parsed = parse_response_head(bytes, |head, taken| Ok((taken, state_after(head, taken, no_body, sink)?)));
    match parsed {
        Ok(parsed) => parsed.transpose(),
        Err(error) => Err(other_protocol(bytes).unwrap_or(ProtocolError::Head(error))),
    }
}

/// The state after a head of `taken` bytes.
fn state_after(
    head: &httparse::Response<'_, '_>,
    taken: usize,
    no_body: bool,
    sink: &mut impl ResponseSink,
) -> Result<State, ProtocolError> {
    if taken > MAX_HEAD {
        return Err(ProtocolError::HeadTooLong);
    }
    let status = head.code.unwrap_or(0);
    match status {
        0..=99 => return Err(ProtocolError::Status(status)),
        101 => return Err(ProtocolError::Switch),
        // An interim response. The final one follows.
        100..=199 => return Ok(State::Head),
        _ => sink.head(status, head.headers),
    }
    let body = if no_body || matches!(status, 204 | 304) {
        Body::Length(0)
    } else {
        Body::from_headers(head.headers)?.unwrap_or(Body::UntilClose)
    };
    let keep_alive = body != Body::UntilClose && is_keep_alive(head.version == Some(1), head.headers);
    Ok(State::Body { response: Response { status, keep_alive }, body })
}

/// The protocol whose first bytes these are, if it is another one that servers speak.
fn other_protocol(bytes: &[u8]) -> Option<ProtocolError> {
    match bytes {
        // A SETTINGS (4) or GOAWAY (7) frame of HTTP/2 on stream 0 (RFC 9113, 4.1).
        [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Some(ProtocolError::Http2),
        // An alert (21) or a handshake record (22) of TLS (RFC 8446, 5.1).
        [21 | 22, 3, 0..=4, ..] => Some(ProtocolError::Tls),
        _ => None,
    }
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
