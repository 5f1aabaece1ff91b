//! Translates the bytes of an HTTP/1.1 request to an HTTP/2 request (RFC 9113, 8.2.2 and 8.3.1).

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use hyper::body::Bytes;

use crate::http1;
use crate::http1::{RequestError, parse_request};
use crate::load::thread::requests::{Payload, PayloadPart};
use crate::target::Target;

/// Why a request cannot be sent over HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslationError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("CONNECT is not supported: it opens a tunnel and gets no response to measure")]
    Connect,
    #[error(
        "it sets another wrk.thread.addr, but all requests of a thread share its connections. Set it in setup() or \
         init(), or leave out `http2`"
    )]
    Address,
    #[error("its target {0:?} is neither a path nor a URL")]
    Target(String),
    #[error("its header {0:?} has an invalid name or value")]
    Header(String),
}

/// A request in the form that `h2` sends.
#[derive(Clone, Debug)]
pub struct Http2Request {
    pub head: Request<()>,
    pub body: Bytes,
}

/// Translates the requests of one worker. The last translation is cached, since most loads repeat one request.
pub struct Translator {
    scheme: Scheme,
    authority: String,
    cached: RefCell<Option<CachedRequest>>,
}

/// The last translation.
struct CachedRequest {
    /// Weak, so that the memory of a payload can be used again after its last request.
    payload: Weak<Payload>,
    index: usize,
    request: Rc<Http2Request>,
}

/// Headers that concern the HTTP/1.1 connection only (RFC 9113, 8.2.2), and Host, which becomes `:authority`.
const CONNECTION_HEADERS: [HeaderName; 6] = [
    CONNECTION,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

impl Translator {
    pub fn new(target: &Target) -> Translator {
        let scheme = if target.is_tls() { Scheme::HTTPS } else { Scheme::HTTP };
        Translator { scheme, authority: target.authority.clone(), cached: RefCell::default() }
    }

    /// # Errors
    /// [`TranslationError`] if the request has no equivalent in HTTP/2.
    pub fn translate(&self, part: &PayloadPart) -> Result<Rc<Http2Request>, TranslationError> {
        let mut cached = self.cached.borrow_mut();
        // The weak reference keeps the allocation: the same address means the same payload.
        if let Some(last) = &*cached
            && (last.payload.as_ptr(), last.index) == (Rc::as_ptr(&part.payload), part.index)
        {
            return Ok(Rc::clone(&last.request));
        }
        let request = Rc::new(self.translate_request(parse_request(part.bytes())?)?);
        let (payload, index) = (Rc::downgrade(&part.payload), part.index);
        *cached = Some(CachedRequest { payload, index, request: Rc::clone(&request) });
        Ok(request)
    }

    fn translate_request(&self, request: http1::Request<'_>) -> Result<Http2Request, TranslationError> {
        let bad_target = || TranslationError::Target(request.target.to_owned());
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| bad_target())?;
        if method == Method::CONNECT {
            return Err(TranslationError::Connect);
        }
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let bad = || TranslationError::Header((*name).to_owned());
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.append(name, HeaderValue::from_bytes(value).map_err(|_| bad())?);
        }

        let uri = request.target.parse::<Uri>().or_else(|_| percent_encode(request.target).parse());
        let mut uri = uri.map_err(|_| bad_target())?.into_parts();
        if uri.scheme.is_none() && uri.authority.is_some() {
            return Err(bad_target());
        }
        uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        uri.scheme.get_or_insert_with(|| self.scheme.clone());
        if uri.authority.is_none() {
            let host = headers.get(HOST).map_or(self.authority.as_bytes(), HeaderValue::as_bytes);
            let authority = Authority::try_from(host);
            uri.authority = Some(authority.map_err(|_| TranslationError::Header(HOST.to_string()))?);
        }
        let uri = Uri::from_parts(uri).map_err(|_| bad_target())?;

        if headers.contains_key(TRANSFER_ENCODING) {
            headers.remove(CONTENT_LENGTH);
        }
        remove_connection_headers(&mut headers);
        let mut head = Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = uri;
        *head.headers_mut() = headers;
        Ok(Http2Request { head, body: request.body.into() })
    }
}

/// Encodes the characters that the HTTP/2 library refuses in a path or a query, as browsers do.
fn percent_encode(target: &str) -> String {
    let mut encoded = String::with_capacity(target.len() + 16);
    for byte in target.bytes() {
        match byte {
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

fn remove_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in CONNECTION_HEADERS.iter().chain(&named) {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translator() -> Translator {
        Translator::new(&Target::parse("https://example.test:8443/").unwrap())
    }

    fn part(text: &str) -> PayloadPart {
        let payload = Payload { bytes: text.replace('\n', "\r\n").into(), ..Payload::default() };
        PayloadPart { payload: Rc::new(payload), index: 0 }
    }

    /// The translation as text, or the error.
    fn translated(text: &str) -> String {
        let request = match translator().translate(&part(text)) {
            Ok(request) => request,
            Err(why) => return why.to_string(),
        };
        let head = &request.head;
        let mut text = format!("{} {}", head.method(), head.uri());
        for (name, value) in head.headers() {
            text.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        text.push_str(&format!("\n{}", String::from_utf8_lossy(&request.body)));
        text
    }

    #[test]
    fn a_path_is_sent_to_the_host_of_its_host_header() {
        insta::assert_snapshot!(translated("GET /a?b=c HTTP/1.1\nHost: other.test\nX-A: 1\n\n"), @r"
        GET https://other.test/a?b=c
        x-a: 1
        ");
        insta::assert_snapshot!(translated("GET / HTTP/1.1\n\n"), @"GET https://example.test:8443/");
    }

    #[test]
    fn an_absolute_target_has_its_own_host() {
        insta::assert_snapshot!(translated("POST http://localhost:8080/p?q HTTP/1.1\nHost: h\nContent-Length: 2\n\nok"), @r"
        POST http://localhost:8080/p?q
        content-length: 2
        ok
        ");
    }

    #[test]
    fn headers_of_the_connection_are_removed() {
        let text = "POST / HTTP/1.1\nHost: h\nConnection: Keep-Alive, X-Mine\nKeep-Alive: 5\nX-Mine: 1\nTE: gzip\n\
            Transfer-Encoding: chunked\nUpgrade: h2c\nProxy-Connection: close\nCookie: a=b\n\n2\nok\n1\n!\n0\n\n";
        insta::assert_snapshot!(translated(text), @r"
        POST https://h/
        cookie: a=b
        ok!
        ");
        insta::assert_snapshot!(translated("GET / HTTP/1.1\nHost: h\nTE: trailers\n\n"), @r"
        GET https://h/
        te: trailers
        ");
    }

    #[test]
    fn characters_that_a_uri_must_not_contain_are_encoded() {
        insta::assert_snapshot!(
            translated("GET /a b?x={\"y\":<1>}|^`\\\u{e9} HTTP/1.1\nHost: h\n\n"),
            @"GET https://h/a%20b?x=%7B%22y%22:%3C1%3E%7D%7C%5E%60%5C%C3%A9"
        );
    }

    #[test]
    fn a_request_without_equivalent_is_refused() {
        insta::assert_snapshot!(translated("CONNECT h:80 HTTP/1.1\nHost: h\n\n"), @"CONNECT is not supported: it opens a tunnel and gets no response to measure");
        insta::assert_snapshot!(translated("GET path HTTP/1.1\nHost: h\n\n"), @r#"its target "path" is neither a path nor a URL"#);
        insta::assert_snapshot!(translated("GET / HTTP/1.1\nHost: a b\n\n"), @r#"its header "host" has an invalid name or value"#);
    }

    #[test]
    fn the_same_request_is_translated_once_and_another_one_in_its_memory_again() {
        let translator = translator();
        let mut same = part("GET /1 HTTP/1.1\nHost: h\n\n");
        let first = translator.translate(&same).unwrap();
        assert!(Rc::ptr_eq(&first, &translator.translate(&same).unwrap()));
        *Rc::make_mut(&mut same.payload) = Payload::clone(&part("GET /2 HTTP/1.1\nHost: h\n\n").payload);
        assert_eq!(translator.translate(&same).unwrap().head.uri().path(), "/2");
    }
}
