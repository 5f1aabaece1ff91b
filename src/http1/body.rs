//! The length of a body (RFC 9112, section 6.3), and its decoding.

use httparse::Header;

use super::{MAX_HEAD, ProtocolError};

/// How the end of a body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The number of bytes left.
    Length(u64),
    Chunked(Chunked),
    /// The body ends when the connection closes.
    UntilClose,
}

/// The state of the chunked decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunked {
    state: ChunkState,
    /// The size that is being read, or the bytes left in the chunk.
    size: u64,
    /// Bytes since the last data byte. Limited, because a peer could send them without end.
    overhead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    Size { digits: u8 },
    AfterSize,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerLine,
    LastLf,
}

/// A part of a body.
pub enum Piece<'a> {
    Data(&'a [u8]),
    /// A byte of the trailer section of a chunked body, or of the empty line that ends it.
    Trailer(u8),
}

impl Chunked {
    pub const fn new() -> Chunked {
        Chunked { state: ChunkState::Size { digits: 0 }, size: 0, overhead: 0 }
    }

    /// Decodes `input`. Returns how many bytes belong to the body, and whether the body is complete.
    fn decode(&mut self, input: &[u8], handle: &mut dyn FnMut(Piece<'_>)) -> Result<(usize, bool), ProtocolError> {
        let mut used = 0;
        while used < input.len() {
            if self.state == ChunkState::Data {
                let n = usize::try_from(self.size).map_or(input.len() - used, |size| size.min(input.len() - used));
                handle(Piece::Data(&input[used..used + n]));
                used += n;
                self.size -= n as u64;
                self.overhead = 0;
                if self.size == 0 {
                    self.state = ChunkState::DataCr;
                }
                continue;
            }
            let byte = input[used];
            used += 1;
            self.overhead += 1;
            if self.overhead > MAX_HEAD {
                return Err(ProtocolError::HeadTooLong);
            }
            if matches!(self.state, ChunkState::TrailerStart | ChunkState::TrailerLine | ChunkState::LastLf) {
                handle(Piece::Trailer(byte));
            }
            self.state = match (self.state, byte) {
                (ChunkState::Size { digits }, b) if b.is_ascii_hexdigit() => {
                    if digits == 15 {
                        return Err(ProtocolError::Chunk);
                    }
                    let value = (b as char).to_digit(16).unwrap_or(0);
                    self.size = self.size * 16 + u64::from(value);
                    ChunkState::Size { digits: digits + 1 }
                }
                (ChunkState::Size { digits: 0 }, _) => return Err(ProtocolError::Chunk),
                (ChunkState::Size { .. } | ChunkState::AfterSize, b' ' | b'\t') => ChunkState::AfterSize,
                (ChunkState::Size { .. } | ChunkState::AfterSize, b';') => ChunkState::Extension,
                (ChunkState::Size { .. } | ChunkState::AfterSize | ChunkState::Extension, b'\r') => ChunkState::SizeLf,
                (ChunkState::Extension, b) if b != b'\n' => ChunkState::Extension,
                (ChunkState::SizeLf, b'\n') if self.size == 0 => ChunkState::TrailerStart,
                (ChunkState::SizeLf, b'\n') => ChunkState::Data,
                (ChunkState::DataCr, b'\r') => ChunkState::DataLf,
                (ChunkState::DataLf, b'\n') => ChunkState::Size { digits: 0 },
                (ChunkState::TrailerStart, b'\r') => ChunkState::LastLf,
                (ChunkState::TrailerLine, b'\n') => ChunkState::TrailerStart,
                (ChunkState::TrailerStart, b) if b != b'\n' => ChunkState::TrailerLine,
                (ChunkState::TrailerLine, _) => ChunkState::TrailerLine,
                (ChunkState::LastLf, b'\n') => return Ok((used, true)),
                _ => return Err(ProtocolError::Chunk),
            };
        }
        Ok((used, false))
    }
}

impl Body {
    /// The body that the headers announce. `None` if they announce none.
    pub fn from_headers(headers: &[Header<'_>]) -> Result<Option<Body>, ProtocolError> {
        let mut length = None;
        let mut coding: Option<bool> = None;
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                for part in header.value.split(|&b| b == b',') {
                    let n = parse_digits(part.trim_ascii()).ok_or(ProtocolError::ContentLength)?;
                    if length.is_some_and(|before| before != n) {
                        return Err(ProtocolError::ContentLength);
                    }
                    length = Some(n);
                }
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                let last = header.value.rsplit(|&b| b == b',').next().unwrap_or_default();
                coding = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            }
        }
        Ok(match (coding, length) {
            (Some(true), _) => Some(Body::Chunked(Chunked::new())),
            (Some(false), _) => Some(Body::UntilClose),
            (None, length) => length.map(Body::Length),
        })
    }

    /// Decodes `input`. Returns how many bytes belong to the body, and whether the body is complete.
    pub fn decode(&mut self, input: &[u8], handle: &mut dyn FnMut(Piece<'_>)) -> Result<(usize, bool), ProtocolError> {
        match self {
            Body::Length(left) => {
                let n = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                if n > 0 {
                    handle(Piece::Data(&input[..n]));
                }
                *left -= n as u64;
                Ok((n, *left == 0))
            }
            Body::Chunked(chunked) => chunked.decode(input, handle),
            Body::UntilClose => {
                handle(Piece::Data(input));
                Ok((input.len(), false))
            }
        }
    }
}

/// Parses digits, without a sign or blanks.
fn parse_digits(digits: &[u8]) -> Option<u64> {
    let add =
        |n: u64, byte: &u8| n.checked_mul(10)?.checked_add(u64::from(byte.is_ascii_digit().then(|| byte - b'0')?));
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}
