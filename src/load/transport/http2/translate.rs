//! From the bytes of an HTTP/1.1 request to the same request in HTTP/2 (RFC 9113, 8.2.2 and 8.3.1).

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

/// Why a request cannot be said in HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("CONNECT asks for a tunnel, and load needs answers")]
    Connect,
    #[error("its target {0:?} is no path and no URL")]
    Target(String),
    #[error("its header {0:?} has a name or a value that HTTP does not allow")]
    Header(String),
}

/// A request as HTTP/2 takes it.
#[derive(Clone, Debug)]
pub struct Translated {
    pub head: Request<()>,
    pub body: Bytes,
}

/// Translates for one thread; what comes again is translated once.
pub struct Translator {
    scheme: Scheme,
    authority: String,
    last: RefCell<Option<Known>>,
}

/// What was translated last.
struct Known {
    /// Weak: once nobody sends that request any more, its bytes may be built in again, elsewhere.
    payload: Weak<Payload>,
    part: usize,
    translated: Rc<Translated>,
}

/// What only makes sense on an HTTP/1.1 connection (RFC 9113, 8.2.2).
const OF_CONNECTIONS: [HeaderName; 6] = [
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
        Translator { scheme, authority: target.authority.clone(), last: RefCell::default() }
    }

    /// # Errors
    /// [`Untranslatable`] says what HTTP/2 has no place for.
    pub fn translate(&self, piece: &PayloadPart) -> Result<Rc<Translated>, Untranslatable> {
        let mut last = self.last.borrow_mut();
        // The weak reference keeps the place of the bytes: what is at the same place is the same request.
        if let Some(known) = &*last
            && (known.payload.as_ptr(), known.part) == (Rc::as_ptr(&piece.payload), piece.part)
        {
            return Ok(Rc::clone(&known.translated));
        }
        let translated = Rc::new(self.anew(parse_request(piece.bytes())?)?);
        let (payload, part) = (Rc::downgrade(&piece.payload), piece.part);
        *last = Some(Known { payload, part, translated: Rc::clone(&translated) });
        Ok(translated)
    }

    fn anew(&self, request: http1::Request<'_>) -> Result<Translated, Untranslatable> {
        let bad_target = || Untranslatable::Target(request.target.to_owned());
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| bad_target())?;
        if method == Method::CONNECT {
            return Err(Untranslatable::Connect);
        }
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let bad = || Untranslatable::Header((*name).to_owned());
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.append(name, HeaderValue::from_bytes(value).map_err(|_| bad())?);
        }

        let mut uri = request.target.parse::<Uri>().map_err(|_| bad_target())?.into_parts();
        if uri.scheme.is_none() && uri.authority.is_some() {
            return Err(bad_target());
        }
        uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        uri.scheme.get_or_insert_with(|| self.scheme.clone());
        if uri.authority.is_none() {
            let host = headers.get(HOST).map_or(self.authority.as_bytes(), HeaderValue::as_bytes);
            let authority = Authority::try_from(host);
            uri.authority = Some(authority.map_err(|_| Untranslatable::Header(HOST.to_string()))?);
        }
        let uri = Uri::from_parts(uri).map_err(|_| bad_target())?;

        if headers.contains_key(TRANSFER_ENCODING) {
            headers.remove(CONTENT_LENGTH);
        }
        drop_what_is_of_connections(&mut headers);
        let mut head = Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = uri;
        *head.headers_mut() = headers;
        Ok(Translated { head, body: request.body.into() })
    }
}

fn drop_what_is_of_connections(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in OF_CONNECTIONS.iter().chain(&named) {
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

    fn piece(text: &str) -> PayloadPart {
        let payload = Payload { bytes: text.replace('\n', "\r\n").into(), ..Payload::default() };
        PayloadPart { payload: Rc::new(payload), part: 0 }
    }

    /// What goes out, as text.
    fn said(text: &str) -> String {
        let translated = match translator().translate(&piece(text)) {
            Ok(translated) => translated,
            Err(why) => return why.to_string(),
        };
        let head = &translated.head;
        let mut said = format!("{} {}", head.method(), head.uri());
        for (name, value) in head.headers() {
            said.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        said.push_str(&format!("\n{}", String::from_utf8_lossy(&translated.body)));
        said
    }

    #[test]
    fn a_path_goes_to_the_host_that_it_names() {
        insta::assert_snapshot!(said("GET /a?b=c HTTP/1.1\nHost: other.test\nX-A: 1\n\n"), @r"
        GET https://other.test/a?b=c
        x-a: 1
        ");
        insta::assert_snapshot!(said("GET / HTTP/1.1\n\n"), @"GET https://example.test:8443/");
    }

    #[test]
    fn an_absolute_target_says_where_it_goes() {
        insta::assert_snapshot!(said("POST http://localhost:8080/p?q HTTP/1.1\nHost: h\nContent-Length: 2\n\nok"), @r"
        POST http://localhost:8080/p?q
        content-length: 2
        ok
        ");
    }

    #[test]
    fn what_is_of_the_connection_stays_behind() {
        let text = "POST / HTTP/1.1\nHost: h\nConnection: Keep-Alive, X-Mine\nKeep-Alive: 5\nX-Mine: 1\nTE: gzip\n\
            Transfer-Encoding: chunked\nUpgrade: h2c\nProxy-Connection: close\nCookie: a=b\n\n2\nok\n1\n!\n0\n\n";
        insta::assert_snapshot!(said(text), @r"
        POST https://h/
        cookie: a=b
        ok!
        ");
        insta::assert_snapshot!(said("GET / HTTP/1.1\nHost: h\nTE: trailers\n\n"), @r"
        GET https://h/
        te: trailers
        ");
    }

    #[test]
    fn what_has_no_place_in_it_is_refused() {
        insta::assert_snapshot!(said("CONNECT h:80 HTTP/1.1\nHost: h\n\n"), @"CONNECT asks for a tunnel, and load needs answers");
        insta::assert_snapshot!(said("GET path HTTP/1.1\nHost: h\n\n"), @r#"its target "path" is no path and no URL"#);
        insta::assert_snapshot!(said("GET / HTTP/1.1\nHost: a b\n\n"), @r#"its header "host" has a name or a value that HTTP does not allow"#);
    }

    #[test]
    fn the_same_request_is_translated_once_and_another_in_its_place_anew() {
        let translator = translator();
        let mut same = piece("GET /1 HTTP/1.1\nHost: h\n\n");
        let first = translator.translate(&same).unwrap();
        assert!(Rc::ptr_eq(&first, &translator.translate(&same).unwrap()));
        *Rc::make_mut(&mut same.payload) = Payload::clone(&piece("GET /2 HTTP/1.1\nHost: h\n\n").payload);
        assert_eq!(translator.translate(&same).unwrap().head.uri().path(), "/2");
    }
}
