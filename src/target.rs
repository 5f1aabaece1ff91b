//! The target of a load: a parsed URL.

use http::uri::{Authority, InvalidUri};

/// A parsed URL. Parsing does not use the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the user wrote it.
    pub url: String,
    pub scheme: String,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port, if the URL has one.
    pub port: Option<u16>,
    /// What follows the host, as the user wrote it; `/` if nothing does.
    pub path: String,
    /// `host` or `host:port` as in the URL: the value of the Host header.
    pub authority: String,
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid URL: {url} ({why}). Write http://host:port/path or https://host:port/path")]
pub struct TargetError {
    url: String,
    why: String,
}

impl Target {
    /// Parses an absolute `http` or `https` URL. Path and query may contain anything but control characters: they are
    /// sent as they are, as wrk does.
    ///
    /// # Errors
    /// [`TargetError`] for any other text.
    pub fn parse(url: &str) -> Result<Target, TargetError> {
        let bad = |why: &str| TargetError { url: url.to_owned(), why: why.to_owned() };
        if url.contains(|c: char| c.is_ascii_control()) {
            return Err(bad("it contains a control character"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if !["http", "https"].contains(&scheme.as_str()) {
            return Err(bad("the scheme must be http or https"));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(bad("no host"));
        }
        let parsed: Authority = authority.parse().map_err(|error: InvalidUri| bad(&error.to_string()))?;
        if authority.contains('@') {
            return Err(bad("it contains a user name; send an Authorization header instead"));
        }
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad("no host"));
        }
        let port = parsed.port_u16();
        let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        if port == Some(0) || (port.is_none() && has_port) {
            return Err(bad("the port must be a number from 1 to 65535"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { url: url.to_owned(), scheme, host, port, path, authority: authority.to_owned() })
    }

    /// The port, or the scheme if the URL has no port. wrk calls this the service.
    pub fn service(&self) -> String {
        self.port.map_or_else(|| self.scheme.clone(), |port| port.to_string())
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Whether connections use TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed() {
        let t = Target::parse("http://127.0.0.1:8000/a/b?c=d").unwrap();
        assert_eq!(
            (t.host.as_str(), t.port(), t.path.as_str(), t.authority.as_str()),
            ("127.0.0.1", 8000, "/a/b?c=d", "127.0.0.1:8000")
        );
        let t = Target::parse("http://[::1]:81").unwrap();
        assert_eq!((t.host.as_str(), t.service().as_str(), t.path.as_str()), ("::1", "81", "/"));
        let t = Target::parse("http://example.test?x=1").unwrap();
        assert_eq!((t.service().as_str(), t.port(), t.path.as_str()), ("http", 80, "/?x=1"));
        let t = Target::parse("HTTPS://[fe80::1]/").unwrap();
        assert_eq!((t.service().as_str(), t.port(), t.is_tls(), t.host.as_str()), ("https", 443, true, "fe80::1"));
        assert_eq!(Target::parse("https://example.test:8443/").unwrap().port(), 8443);
    }

    #[test]
    fn path_and_query_are_kept_as_they_are() {
        for path in ["/q?x={\"a\":1}", "/q?x=a b", "/a b", "/<>|^`\\", "/\u{e9}#frag", "/?u=http://other:0/@", "//"] {
            assert_eq!(Target::parse(&format!("http://h{path}")).unwrap().path, path);
        }
        assert_eq!(Target::parse("http://h#x").unwrap().path, "/#x");
    }

    #[test]
    fn other_texts_are_refused() {
        for url in [
            "",
            "127.0.0.1:8000/",
            "/path",
            "http://",
            "ftp://h/",
            "http://u@h/",
            "http://h:99999/",
            "http://h:x/",
            "http://a b/",
            "http://h:0/",
            "http://[::1]:0/",
            "http://h:",
            "http://:80/",
            "http://h/a\r\nX: y",
            "http://h/\t",
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid URL: {url} (")), "{error}");
        }
    }
}
