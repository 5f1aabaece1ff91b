//! TLS servers, and certificates for them, valid and invalid ones.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    ALL_VERSIONS, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use super::Server;

/// A certificate and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    pub pem: String,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub fn self_signed(name: &str) -> Identity {
        Identity::signing_itself(params(name))
    }

    /// A self-signed CA certificate, as `openssl req -x509` makes it.
    pub fn of_an_authority(name: &str) -> Identity {
        Identity::signing_itself(params_of_an_authority(name))
    }

    pub fn of_an_authority_long_ago(name: &str) -> Identity {
        Identity::signing_itself(long_ago(params_of_an_authority(name)))
    }

    fn signing_itself(params: CertificateParams) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Identity { pem: certificate.pem(), certificate: certificate.der().clone(), key: key.into() }
    }

    pub fn config(&self) -> ServerConfig {
        self.config_for(ALL_VERSIONS)
    }

    /// The configuration of a server that accepts only clients with a certificate of this authority.
    pub fn config_asking_clients(&self, authority: &Authority) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(&authority.file).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_client_cert_verifier(verifier);
        builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap()
    }

    /// The private key as PEM.
    pub fn key_pem(&self) -> String {
        KeyPair::try_from(self.key.secret_der()).unwrap().serialize_pem()
    }

    pub fn config_for(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
        builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap()
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// A PEM file with its certificate.
    pub file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Authority {
        let params = params_of_an_authority("an authority");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("authority.pem");
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), file, _dir: dir }
    }

    pub fn vouch(&self, name: &str) -> Identity {
        self.vouch_for(params(name))
    }

    pub fn vouch_long_ago(&self, name: &str) -> Identity {
        self.vouch_for(long_ago(params(name)))
    }

    fn vouch_for(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { pem: certificate.pem(), certificate: certificate.der().clone(), key: key.into() }
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

fn params_of_an_authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn long_ago(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(1999, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    params
}

/// What a server saw of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub version: ProtocolVersion,
    pub name: Option<String>,
    pub resumed: bool,
}

/// A server that answers `ok` over TLS, a given number of times per connection.
pub struct TlsServer {
    pub server: Server,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl TlsServer {
    pub fn new(config: ServerConfig, answers: usize) -> TlsServer {
        TlsServer::on(TcpListener::bind("127.0.0.1:0").unwrap(), config, answers)
    }

    pub fn on(listener: TcpListener, config: ServerConfig, answers: usize) -> TlsServer {
        let (config, seen) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let saw = Arc::clone(&seen);
        let server = Server::on(listener, move |peer| {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(session, peer.stream));
            for _ in 0..answers {
                let Some(length) = head(&mut stream) else { return };
                let session = &stream.get_ref().conn;
                if session.handshake_kind().is_some() {
                    let handshake = Seen {
                        version: session.protocol_version().unwrap(),
                        name: session.server_name().map(str::to_owned),
                        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
                    };
                    saw.lock().unwrap().push(handshake);
                }
                if std::io::copy(&mut std::io::Read::take(&mut stream, length), &mut std::io::sink()).is_err() {
                    return;
                }
                if stream.get_mut().write_all(super::OK).is_err() {
                    return;
                }
            }
            stream.get_mut().conn.send_close_notify();
            let _ = stream.get_mut().flush();
        });
        TlsServer { server, seen }
    }

    /// Its URL with its address.
    pub fn url(&self) -> String {
        format!("https://{}/", self.server.address)
    }

    /// Its URL with the name `localhost`.
    pub fn named_url(&self) -> String {
        format!("https://localhost:{}/", self.server.address.port())
    }
}

/// Reads the head of a request. Returns the length of its body, or `None` at the end of the connection.
fn head(stream: &mut impl BufRead) -> Option<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(length);
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
    }
}
