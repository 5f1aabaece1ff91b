//! The header lines of a response: any number of them, within the greatest length of a head.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::MAX_HEADERS;

/// Parses the head of a response in `bytes` and passes it to `handle`, with its length in bytes. `None` if it is
/// incomplete. Lines that are folded (RFC 9112, 5.2) are accepted: see [`unfold`].
pub fn parse_response_head<T>(
    bytes: &[u8],
    handle: impl FnOnce(&httparse::Response<'_, '_>, usize) -> T,
) -> Result<Option<T>, httparse::Error> {
    let mut config = ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(true);
    let mut few = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_HEADERS];
    let mut many;
    let mut head = httparse::Response::new(&mut []);
    let mut parsed = config.parse_response_with_uninit_headers(&mut head, bytes, &mut few);
    if parsed == Err(httparse::Error::TooManyHeaders) {
        // Each line has a line feed.
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        many = vec![MaybeUninit::<Header<'_>>::uninit(); lines];
        head = httparse::Response::new(&mut []);
        parsed = config.parse_response_with_uninit_headers(&mut head, bytes, &mut many);
    }
    match parsed? {
        Status::Complete(taken) => Ok(Some(handle(&head, taken))),
        Status::Partial => Ok(None),
    }
}

/// Parses the trailer section of a chunked body, with the empty line at its end. Empty if it is invalid: the body before
/// it is complete all the same.
pub fn parse_trailers(bytes: &[u8], handle: impl FnOnce(&[Header<'_>])) {
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let mut headers = vec![httparse::EMPTY_HEADER; lines];
    if let Ok(Status::Complete((_, headers))) = httparse::parse_headers(bytes, &mut headers) {
        handle(headers);
    }
}

/// The value of a folded header line without its line ends, as wrk2 passes it to scripts.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    match value.contains(&b'\n') {
        true => value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect::<Vec<_>>().into(),
        false => value.into(),
    }
}
