//! How long a body is (RFC 9112, 6.3), and taking it apart.

use httparse::Header;

use super::{MAX_HEAD, ProtocolError};

/// What delimits a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunked),
    /// All that comes until the connection closes.
    UntilClose,
}

/// A chunked body's state between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunked {
    at: At,
    /// The size being read, or what is left of the chunk.
    size: u64,
    /// Bytes since the last data: what a peer can send without sending anything.
    overhead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
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

impl Chunked {
    pub const fn new() -> Chunked {
        Chunked { at: At::Size { digits: 0 }, size: 0, overhead: 0 }
    }

    /// Takes from `input`; says how much was taken, and whether the body is whole.
    fn take(&mut self, input: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<(usize, bool), ProtocolError> {
        let mut used = 0;
        while used < input.len() {
            if self.at == At::Data {
                let n = usize::try_from(self.size).map_or(input.len() - used, |size| size.min(input.len() - used));
                data(&input[used..used + n]);
                used += n;
                self.size -= n as u64;
                self.overhead = 0;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let byte = input[used];
            used += 1;
            self.overhead += 1;
            if self.overhead > MAX_HEAD {
                return Err(ProtocolError::HeadTooLong);
            }
            self.at = match (self.at, byte) {
                (At::Size { digits }, b) if b.is_ascii_hexdigit() => {
                    if digits == 15 {
                        return Err(ProtocolError::Chunk);
                    }
                    let value = (b as char).to_digit(16).unwrap_or(0);
                    self.size = self.size * 16 + u64::from(value);
                    At::Size { digits: digits + 1 }
                }
                (At::Size { digits: 0 }, _) => return Err(ProtocolError::Chunk),
                (At::Size { .. } | At::AfterSize, b' ' | b'\t') => At::AfterSize,
                (At::Size { .. } | At::AfterSize, b';') => At::Extension,
                (At::Size { .. } | At::AfterSize | At::Extension, b'\r') => At::SizeLf,
                (At::Extension, b) if b != b'\n' => At::Extension,
                (At::SizeLf, b'\n') if self.size == 0 => At::TrailerStart,
                (At::SizeLf, b'\n') => At::Data,
                (At::DataCr, b'\r') => At::DataLf,
                (At::DataLf, b'\n') => At::Size { digits: 0 },
                (At::TrailerStart, b'\r') => At::LastLf,
                (At::TrailerLine, b'\n') => At::TrailerStart,
                (At::TrailerStart, b) if b != b'\n' => At::TrailerLine,
                (At::TrailerLine, _) => At::TrailerLine,
                (At::LastLf, b'\n') => return Ok((used, true)),
                _ => return Err(ProtocolError::Chunk),
            };
        }
        Ok((used, false))
    }
}

impl Body {
    /// What the headers say; `None` where they say nothing.
    pub fn announced(headers: &[Header<'_>]) -> Result<Option<Body>, ProtocolError> {
        let mut length = None;
        let mut coding: Option<bool> = None;
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                for part in header.value.split(|&b| b == b',') {
                    let n = number(part.trim_ascii()).ok_or(ProtocolError::ContentLength)?;
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

    /// Takes from `input`; says how much was taken, and whether the body is whole.
    pub fn take(&mut self, input: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<(usize, bool), ProtocolError> {
        match self {
            Body::Length(left) => {
                let n = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                if n > 0 {
                    data(&input[..n]);
                }
                *left -= n as u64;
                Ok((n, *left == 0))
            }
            Body::Chunked(chunked) => chunked.take(input, data),
            Body::UntilClose => {
                data(input);
                Ok((input.len(), false))
            }
        }
    }
}

/// Digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let add =
        |n: u64, byte: &u8| n.checked_mul(10)?.checked_add(u64::from(byte.is_ascii_digit().then(|| byte - b'0')?));
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}
