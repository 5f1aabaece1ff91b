//! The target of a load: a parsed URL.

use http::Uri;

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
    /// Path and query, `/` if the URL has none.
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
    /// Parses an absolute `http` or `https` URL.
    ///
    /// # Errors
    /// [`TargetError`] for any other text.
    pub fn parse(url: &str) -> Result<Target, TargetError> {
        let bad = |why: &str| TargetError { url: url.to_owned(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|e: http::uri::InvalidUri| bad(&e.to_string()))?;
        let scheme = uri.scheme_str().ok_or_else(|| bad("no scheme"))?.to_owned();
        if !["http", "https"].contains(&scheme.as_str()) {
            return Err(bad("the scheme must be http or https"));
        }
        let authority = uri.authority().ok_or_else(|| bad("no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it contains a user name; send an Authorization header instead"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad("no host"));
        }
        let port = authority.port_u16();
        if port.is_none() && authority.as_str().rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
            return Err(bad("the port must be a number from 1 to 65535"));
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { url: url.to_owned(), scheme, host, port, path, authority: authority.as_str().to_owned() })
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
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid URL: {url} (")), "{error}");
        }
    }
}
