use httparse::Header;
use proptest::prelude::*;

use super::*;

/// Stores all parts of a response.
#[derive(Default, Debug, PartialEq)]
struct StoringSink {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl ResponseSink for StoringSink {
    const NEEDS_HEADS: bool = true;

    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers = headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect();
    }
    fn body(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }
    fn trailers(&mut self, headers: &[Header<'_>]) {
        self.headers.extend(headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())));
    }
}

/// Feeds `bytes` in pieces of `step`, then closes. Returns the response, its parts, and the number of unused bytes.
fn frame(bytes: &[u8], head_request: bool, step: usize) -> Result<(Response, StoringSink, usize), ProtocolError> {
    let mut framer = Framer::default();
    framer.expect(head_request);
    let mut sink = StoringSink::default();
    for (i, piece) in bytes.chunks(step.max(1)).enumerate() {
        if let FrameProgress::Complete { used, response } = framer.feed(piece, &mut sink)? {
            return Ok((response, sink, bytes.len() - i * step.max(1) - used));
        }
    }
    framer.close().map(|response| (response, sink, 0))
}

fn whole(bytes: &[u8]) -> Result<(Response, StoringSink, usize), ProtocolError> {
    frame(bytes, false, bytes.len())
}

#[test]
fn a_content_length_ends_the_body_and_leaves_the_rest() {
    let (response, sink, left) = whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP").unwrap();
    assert_eq!((response.status, response.keep_alive, sink.body.as_slice(), left), (200, true, &b"hello"[..], 4));
}

#[test]
fn chunks_extensions_and_trailers_are_decoded() {
    let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\
        5;name=\"x\"\r\nhello\r\nA \r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nX";
    for step in [1, 2, 3, 7, bytes.len()] {
        let (response, sink, left) = frame(bytes, false, step).unwrap();
        assert_eq!((sink.body.as_slice(), left, response.keep_alive), (&b"hello0123456789"[..], 1, true));
        assert_eq!(sink.headers.last(), Some(&("Trailer".to_owned(), b"1".to_vec())), "in steps of {step}");
    }
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let (response, sink, _) = whole(b"HTTP/1.1 200 OK\r\n\r\nall of it").unwrap();
    assert_eq!((response.keep_alive, sink.body.as_slice()), (false, &b"all of it"[..]));
}

#[test]
fn head_204_and_304_have_no_body() {
    let (response, ..) = frame(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", true, 9).unwrap();
    assert!(response.keep_alive);
    for status in ["204", "304"] {
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 10\r\n\r\n");
        let (response, _, left) = whole(text.as_bytes()).unwrap();
        assert_eq!((response.status.to_string().as_str(), left), (status, 0));
    }
}

#[test]
fn interim_responses_are_skipped() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n";
    let (response, sink, left) = whole(bytes).unwrap();
    assert_eq!((response.status, sink.headers.len(), left), (201, 1, 0));
}

#[test]
fn keep_alive_follows_version_and_connection_header() {
    for (head, stays) in [
        ("HTTP/1.1 200 OK\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: Upgrade, Close\r\n", false),
        ("HTTP/1.0 200 OK\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", true),
    ] {
        let (response, ..) = whole(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(response.keep_alive, stays, "{head}");
    }
}

#[test]
fn protocol_errors_are_found() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for bytes in [
        "garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching\r\n\r\n".to_owned(),
        format!("{chunked}\r\n"),
        format!("{chunked}xyz\r\n"),
        format!("{chunked}5\r\nhelloX"),
        format!("{chunked}ffffffffffffffff\r\n"),
        format!("{chunked}5\n"),
        format!("{chunked}0\r\n\n"),
    ] {
        let error = whole(bytes.as_bytes()).unwrap_err();
        assert_ne!(error, ProtocolError::Closed, "{bytes:?}");
    }
}

#[test]
fn a_port_that_speaks_another_protocol_is_named() {
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d";
    assert_eq!(whole(settings).unwrap_err(), ProtocolError::Http2);
    assert_eq!(whole(b"\x15\x03\x01\0\x02\x02\x28").unwrap_err(), ProtocolError::Tls);
}

#[test]
fn a_close_within_a_response_is_an_error() {
    for bytes in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"] {
        assert_eq!(whole(bytes.as_bytes()).unwrap_err(), ProtocolError::Closed, "{bytes:?}");
    }
}

#[test]
fn heads_extensions_and_trailers_are_limited() {
    for start in [
        "HTTP/1.1 200 OK\r\nA: ",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA",
    ] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(3 * MAX_HEAD, b'x');
        assert_eq!(frame(&bytes, false, 100).unwrap_err(), ProtocolError::HeadTooLong, "{start}");
        assert_eq!(whole(&bytes).unwrap_err(), ProtocolError::HeadTooLong, "{start}");
    }
}

#[test]
fn a_head_of_many_lines_is_accepted_within_its_length() {
    for lines in [MAX_HEADERS, MAX_HEADERS + 1, 20_000] {
        let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "a: b\r\n".repeat(lines));
        for step in [many.len(), 60_000] {
            let (_, sink, _) = frame(many.as_bytes(), false, step).unwrap();
            assert_eq!((sink.headers.len(), sink.body.as_slice()), (lines + 1, &b"ok"[..]));
        }
    }
    let too_many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(22_000));
    assert_eq!(whole(too_many.as_bytes()).unwrap_err(), ProtocolError::HeadTooLong);
}

#[test]
fn folded_header_lines_are_accepted_and_unfolded_as_wrk2_does() {
    let head = b"HTTP/1.1 200 OK\r\nX-Fold: one\r\n  two\r\n\tthree\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for step in [1, 7, head.len()] {
        let (_, sink, left) = frame(head, false, step).unwrap();
        assert_eq!((sink.body.as_slice(), left), (&b"ok"[..], 0));
        assert_eq!(unfold(&sink.headers[0].1).as_ref(), b"one  two\tthree");
    }
    assert_eq!(unfold(b"plain").as_ref(), b"plain");
}

#[test]
fn a_status_below_100_is_an_error() {
    for status in ["000", "001", "099"] {
        let error = whole(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("the status {status}, which is below 100"));
    }
    assert_eq!(whole(b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n").unwrap().0.status, 999);
}

#[test]
fn an_invalid_trailer_section_leaves_the_body_complete() {
    let (_, sink, left) =
        whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nno colon\r\n\r\n").unwrap();
    assert_eq!((sink.body.as_slice(), sink.headers.len(), left), (&b"ok"[..], 1, 0));
}

#[test]
fn a_framer_is_reusable() {
    let mut framer = Framer::default();
    for _ in 0..3 {
        framer.expect(false);
        let fed = framer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", &mut NullSink).unwrap();
        assert!(matches!(fed, FrameProgress::Complete { used: 40, .. }), "{fed:?}");
    }
}

fn scan(bytes: &[u8]) -> Result<Vec<PipelinedRequest>, RequestError> {
    // The previous content must not matter.
    let mut parts = vec![PipelinedRequest { end: 7, is_head: true }];
    scan_requests(bytes, &mut parts).map(|()| parts)
}

#[test]
fn requests_with_bodies_are_separated() {
    let get = b"GET http://localhost:8080/x HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
    let post = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody".as_slice();
    let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".as_slice();
    let head = b"HEAD / HTTP/1.1\r\n\r\n".as_slice();
    assert_eq!(scan(get), Ok(vec![PipelinedRequest { end: get.len(), is_head: false }]));
    let all = scan(&[post, head, chunked, get].concat()).unwrap();
    let lengths = [post, head, chunked, get].map(<[u8]>::len);
    let mut end = 0;
    for (part, (length, head)) in all.iter().zip(lengths.into_iter().zip([false, true, false, false])) {
        end += length;
        assert_eq!(*part, PipelinedRequest { end, is_head: head });
    }
    assert_eq!(all.len(), 4);
}

#[test]
fn a_request_without_an_end_is_refused_with_the_reason() {
    assert_eq!(scan(b""), Err(RequestError::Empty));
    assert!(matches!(scan(b"nonsense"), Err(RequestError::CutHead)));
    assert_eq!(scan(b"GET / HTTP/1.1\r\nHost: x\r\n"), Err(RequestError::CutHead));
    assert_eq!(scan(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n"), Err(RequestError::CutHead));
    assert_eq!(scan(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody"), Err(RequestError::CutBody));
    assert_eq!(scan(b"GET /a b HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody"), Err(RequestError::CutBody));
}

#[test]
fn a_request_that_a_server_may_refuse_is_sent_as_it_is() {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
    for odd in [
        "GET /search?q=two words HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/9.9\r\nno colon\r\n\r\n",
        "\x01\x02 nonsense\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody and more",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody of\r\n\r\ntwo paragraphs",
        "POST / HTTP/1.1\r\nContent-Length: four\r\n\r\nbody",
        "POST /a b HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody and more",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nbody",
        &many,
    ] {
        assert_eq!(scan(odd.as_bytes()), Ok(vec![PipelinedRequest { end: odd.len(), is_head: false }]), "{odd}");
        let next = "HEAD /other page HTTP/1.1\r\n\r\n";
        let both = scan([odd, next].concat().as_bytes()).unwrap();
        // Bytes that are no request belong to the one before them, and so does everything behind them.
        assert_eq!(both.last().unwrap().end, odd.len() + next.len());
    }
    let odd = b"HEAD /a b HTTP/1.1\r\n\r\nHEAD /c d HTTP/1.1\r\nContent-Length: 1\r\n\r\nx".as_slice();
    let parts = scan(odd).unwrap();
    assert_eq!(parts.iter().map(|part| (part.end, part.is_head)).collect::<Vec<_>>(), [(22, true), (odd.len(), true)]);
    let request = parse_request(b"POST /a b HTTP/1.1\r\nA: b\r\nContent-Length: 1\r\n\r\nxy").unwrap();
    assert_eq!((request.method, request.target, request.body.as_slice()), ("POST", "/a b", b"x".as_slice()));
    assert_eq!(request.headers[0], ("A", b"b".as_slice()));
}

proptest! {
    /// The response does not depend on how the bytes are divided into reads.
    #[test]
    fn reads_do_not_matter(body in proptest::collection::vec(any::<u8>(), 0..200), chunk in 1usize..50, step in 1usize..60) {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\n\r\n".to_vec();
        for piece in body.chunks(chunk) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\nrest");
        let (response, sink, left) = frame(&bytes, false, step).unwrap();
        prop_assert_eq!((response.status, &sink.body, left), (200, &body, 4));
    }

    /// The requests of a concatenation are the concatenated requests.
    #[test]
    fn requests_of_a_concatenation_are_the_concatenated_requests(kinds in proptest::collection::vec((0..3, 0usize..99), 1..9)) {
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        for (kind, n) in kinds {
            let body = "b".repeat(n);
            let one = match kind {
                0 => format!("HEAD /{body} HTTP/1.1\r\n\r\n"),
                1 => format!("POST / HTTP/1.1\r\nContent-Length: {n}\r\n\r\n{body}"),
                _ => format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\nb{body}\r\n0\r\n\r\n", n + 1),
            };
            let alone = scan(one.as_bytes()).unwrap();
            parts.extend(alone.iter().map(|part| PipelinedRequest { end: whole.len() + part.end, ..*part }));
            whole.extend_from_slice(one.as_bytes());
        }
        prop_assert_eq!(scan(&whole), Ok(parts));
        prop_assert!(scan(&whole[..whole.len() - 1]).is_err());
    }

    /// A framer caches the last head. Its results are still those of a new framer.
    #[test]
    fn earlier_responses_do_not_matter(kinds in proptest::collection::vec((0..7usize, any::<bool>(), 1usize..80), 1..20)) {
        let answers: [&[u8]; 7] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: 1\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n",
        ];
        let framed = |framer: &mut Framer, (kind, head, step): (usize, bool, usize)| {
            framer.expect(head);
            answers[kind].chunks(step).map(|piece| framer.feed(piece, &mut NullSink)).find(|fed| !matches!(fed, Ok(FrameProgress::More)))
        };
        let mut old = Framer::default();
        for kind in kinds {
            prop_assert_eq!(framed(&mut old, kind), framed(&mut Framer::default(), kind));
        }
    }

    /// Any bytes: no panic, and the same result in pieces as at once.
    #[test]
    fn any_bytes_have_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1usize..50) {
        let at_once = whole(&bytes).map(|(response, sink, _)| (response, sink));
        let in_pieces = frame(&bytes, false, step).map(|(response, sink, _)| (response, sink));
        prop_assert_eq!(at_once.is_ok(), in_pieces.is_ok());
    }
}
