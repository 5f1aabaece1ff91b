//! TLS 1.2 and 1.3 by rustls: which certificates are accepted, and what is wrong when a handshake fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::VerifierBuilderError;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};

use crate::input;
use crate::load::plan::{LoadPlan, TlsSettings};
use crate::load::transport::failure::{cause_of, known_error};
use crate::record::ErrorCause;
use any_certificate::AnyCertificate;
use named_authorities::{NamedAuthorities, is_ca_certificate};
use p521::P521;

mod any_certificate;
mod named_authorities;
mod p521;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum TlsError {
    #[error("cannot read the certificate authorities in {}: {why}. `cacert` takes a PEM file of certificates", path.display())]
    Authorities { path: PathBuf, why: String },
    #[error(
        "cannot verify certificates: no certificate authorities of the system can be read ({why}). Install ca-certificates, give a PEM file with `cacert`, or leave out `verify`"
    )]
    NoAuthorities { why: String },
    #[error("{host} is not a valid TLS server name. Use a host name or an IP address")]
    Host { host: String },
    #[error("cannot read the client certificate in {}: {why}. `cert` takes a PEM file of certificates, the client's own first", path.display())]
    Certificate { path: PathBuf, why: String },
    #[error("cannot read the private key in {}: {why}. Give a PEM file with an unencrypted key, with `key` if it is not in the file of `cert`", path.display())]
    Key { path: PathBuf, why: String },
    #[error("the private key in {} does not fit the certificate of `cert`: {why}", path.display())]
    KeyMismatch { path: PathBuf, why: Error },
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] Error),
    #[error("cannot set up TLS: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// The TLS configuration of a worker's connections. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// The ALPN name of HTTP/2 over TLS (RFC 9113, 3.2).
const H2: &[u8] = b"h2";

const NO_HTTP2: &str =
    "the server does not speak HTTP/2: it does not accept h2 in ALPN. To use HTTP/1.1, leave out `http2`";

/// A server does not tell what it would accept, so the message says what is offered.
const NOTHING_IN_COMMON: &str = "the server accepts no TLS version or cipher that is offered: TLS 1.3, or TLS 1.2 with \
                                 ECDHE and AES-GCM or ChaCha20-Poly1305. Not supported are TLS 1.0 and 1.1, and in TLS \
                                 1.2 RSA key exchange, DHE and CBC ciphers";

/// The size of a worker's TLS session cache.
const SESSIONS: usize = 256;

impl Tls {
    /// # Errors
    /// [`TlsError`] if the authorities cannot be read, or the host is not a valid server name.
    pub fn new(plan: &LoadPlan) -> Result<Tls, TlsError> {
        let host = plan.tls.server_name.as_ref().unwrap_or(&plan.target().host);
        // For an IP address rustls sends no SNI.
        let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::Host { host: host.clone() })?;
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups.push(&P521);
        let provider = Arc::new(provider);
        let verifier: Arc<dyn ServerCertVerifier> = if plan.tls.verifies() {
            let (roots, certificates) = read_authorities(&plan.tls)?;
            Arc::new(NamedAuthorities::new(roots, certificates, Arc::clone(&provider))?)
        } else {
            Arc::new(AnyCertificate(Arc::clone(&provider)))
        };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &plan.tls.certificate {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let key_file = plan.tls.key.as_ref().unwrap_or(file);
                let (chain, key) = (read_certificate(file)?, read_key(key_file)?);
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|why| TlsError::KeyMismatch { path: key_file.clone(), why })?
            }
        };
        if plan.http2 {
            config.alpn_protocols = vec![H2.to_vec()];
        }
        Ok(Tls { config: Arc::new(config), name })
    }

    /// The same with a separate session cache.
    pub fn with_own_sessions(&self) -> Tls {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Tls { config: Arc::new(config), name: self.name.clone() }
    }

    /// # Errors
    /// What is wrong in the handshake, and what to do about it.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let result = connector.connect(self.name.clone(), stream).await;
        let stream = result.map_err(|error| {
            known_error(error.kind(), cause_of_handshake_error(&error), describe_handshake_error(&error))
        })?;
        // A server without ALPN would speak HTTP/1.1.
        if self.config.alpn_protocols.is_empty() || stream.get_ref().1.alpn_protocol() == Some(H2) {
            Ok(stream)
        } else {
            Err(known_error(io::ErrorKind::InvalidData, ErrorCause::NotHttp2, NO_HTTP2))
        }
    }
}

/// The trusted certificate authorities, and the certificates of the user's file.
fn read_authorities(settings: &TlsSettings) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &settings.authorities else {
        let found = load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
            return Err(TlsError::NoAuthorities { why });
        }
        return Ok((roots, Vec::new()));
    };
    let unreadable = |why: String| TlsError::Authorities { path: path.clone(), why };
    let text = input::read_named(path, input::MAX_CERTIFICATES).map_err(|error| unreadable(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|_| unreadable("the file is damaged or cut short".to_owned()))?;
    for certificate in &certificates {
        let added = roots.add(certificate.clone());
        added.map_err(|_| unreadable("it contains something that is not a certificate".to_owned()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it contains no certificate".to_owned()));
    }
    Ok((roots, certificates))
}

/// The client's certificate chain.
fn read_certificate(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |why: String| TlsError::Certificate { path: path.to_owned(), why };
    let text = input::read_named(path, input::MAX_CERTIFICATES).map_err(|error| unreadable(error.to_string()))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|_| unreadable("the file is damaged or cut short".to_owned()))?;
    if chain.is_empty() { Err(unreadable("it contains no certificate".to_owned())) } else { Ok(chain) }
}

/// The client's private key.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unreadable = |why: String| TlsError::Key { path: path.to_owned(), why };
    let text = input::read_named(path, input::MAX_CERTIFICATES).map_err(|error| unreadable(error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| unreadable("it contains no private key".to_owned()))
}

/// The cause of a failed handshake. The system's errors keep theirs.
fn cause_of_handshake_error(error: &io::Error) -> ErrorCause {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) {
        Some(Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            ErrorCause::NotHttp2
        }
        None if error.raw_os_error().is_some() => cause_of(error),
        _ => ErrorCause::Tls,
    }
}

/// What is wrong in a handshake, and what to do about it.
fn describe_handshake_error(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection during the TLS handshake".to_owned()
        }
        None => format!("the TLS handshake failed: {error}"),
        Some(Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            NO_HTTP2.to_owned()
        }
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => {
            "the server does not speak TLS. If it speaks plain HTTP, write http:// in the URL".to_owned()
        }
        Some(Error::InvalidCertificate(error)) => {
            let why = describe_certificate_error(error);
            format!("the server's certificate {why}. To accept any certificate, leave out `verify` and `cacert`")
        }
        Some(
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ),
        ) => NOTHING_IN_COMMON.to_owned(),
        Some(other) => format!("the TLS handshake failed: {other}"),
    }
}

/// What is wrong with a certificate.
fn describe_certificate_error(error: &CertificateError) -> String {
    match error {
        // A bad signature comes from an authority of the same name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by a trusted certificate authority (`cacert` names one)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("is not valid for the name {}", expected.to_str())
        }
        other if is_ca_certificate(other) => {
            "is a CA certificate (CA:TRUE), which is accepted only if it is in the file of `cacert`".to_owned()
        }
        other => format!("is invalid ({other})"),
    }
}
