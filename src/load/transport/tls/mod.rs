//! TLS 1.2 and 1.3 by rustls: which certificates are good, and in words what went wrong in a handshake.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::VerifierBuilderError;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};

use crate::load::plan::{LoadPlan, TlsSettings};
use anyone::Anyone;
use named::{Named, is_an_authoritys_own};

mod anyone;
mod named;

/// Why no TLS connection can even be tried.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the authorities in {}: {why}; --cacert takes a file of certificates in PEM", path.display())]
    Authorities { path: PathBuf, why: String },
    #[error(
        "this system trusts no authorities that could be read ({why}); install them (ca-certificates), name a PEM file with --cacert, or leave --verify out"
    )]
    NoAuthorities { why: String },
    #[error("{host} is no name that a TLS server can be asked for; use a host name or an IP address")]
    Host { host: String },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] Error),
    #[error("TLS cannot be set up: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// What a thread's TLS connections have in common. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// HTTP/2 over TLS, by its name in ALPN (RFC 9113, 3.2).
const H2: &[u8] = b"h2";

const NO_HTTP2: &str = "the server does not speak HTTP/2 there (ALPN h2); leave --http2 out";

/// Sessions to resume that a thread remembers.
const SESSIONS: usize = 256;

impl Tls {
    /// # Errors
    /// [`TlsError`] where the authorities cannot be read, or the host is no name.
    pub fn new(plan: &LoadPlan) -> Result<Tls, TlsError> {
        let host = &plan.target().host;
        // An IP address is no name to indicate: rustls leaves SNI out for it.
        let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::Host { host: host.clone() })?;
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if plan.tls.verifies() {
            let (trusted, named) = authorities(&plan.tls)?;
            Arc::new(Named::new(trusted, named, Arc::clone(&provider))?)
        } else {
            Arc::new(Anyone(Arc::clone(&provider)))
        };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        if plan.http2 {
            config.alpn_protocols = vec![H2.to_vec()];
        }
        Ok(Tls { config: Arc::new(config), name })
    }

    /// The same with sessions of its own to resume.
    pub fn apart(&self) -> Tls {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Tls { config: Arc::new(config), name: self.name.clone() }
    }

    /// # Errors
    /// What went wrong, in words.
    pub async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let shaken = connector.connect(self.name.clone(), stream).await;
        let stream = shaken.map_err(|error| io::Error::new(error.kind(), words(&error)))?;
        // A server that knows no ALPN goes on in HTTP/1.1.
        if self.config.alpn_protocols.is_empty() || stream.get_ref().1.alpn_protocol() == Some(H2) {
            Ok(stream)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, NO_HTTP2))
        }
    }
}

/// The certificates that are trusted to vouch for others, and those of them that the user named.
fn authorities(settings: &TlsSettings) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let mut trusted = RootCertStore::empty();
    let Some(path) = &settings.authorities else {
        let found = load_native_certs();
        trusted.add_parsable_certificates(found.certs);
        if trusted.is_empty() {
            let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
            return Err(TlsError::NoAuthorities { why });
        }
        return Ok((trusted, Vec::new()));
    };
    let bad = |why: String| TlsError::Authorities { path: path.clone(), why };
    let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let named: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let named = named.map_err(|_| bad("it is damaged or cut short".to_owned()))?;
    for certificate in &named {
        trusted.add(certificate.clone()).map_err(|_| bad("what it holds is no certificate".to_owned()))?;
    }
    if trusted.is_empty() { Err(bad("there is none in it".to_owned())) } else { Ok((trusted, named)) }
}

/// A handshake's error for whoever set up the load: what is wrong, and what to do.
fn words(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection in the TLS handshake".to_owned()
        }
        None => format!("the TLS handshake failed: {error}"),
        Some(Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            NO_HTTP2.to_owned()
        }
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => {
            "the server does not speak TLS there; write http:// if it speaks plain HTTP".to_owned()
        }
        Some(Error::InvalidCertificate(why)) => {
            format!("the server's certificate {}; leave --verify and --cacert out to take any certificate", flaw(why))
        }
        Some(
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ),
        ) => "the server takes no version or cipher of TLS that is offered (1.2 and 1.3 are)".to_owned(),
        Some(other) => format!("the TLS handshake failed: {other}"),
    }
}

/// What is wrong with a certificate.
fn flaw(error: &CertificateError) -> String {
    match error {
        // Bad signatures too: an authority of the same name, but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "comes from no trusted authority (--cacert names one)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("is not valid for the name {}", expected.to_str())
        }
        other if is_an_authoritys_own(other) => {
            "is an authority's own (CA:TRUE); name it with --cacert if it is the server's too".to_owned()
        }
        other => format!("is no good ({other})"),
    }
}
