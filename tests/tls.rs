//! The generator against TLS servers: which certificates are accepted, and the errors for all others.

mod support;

use std::net::TcpListener;
use std::path::Path;

use metawrk::load::plan::{PlanError, TlsSettings};
use metawrk::load::{LoadError, LoadPlan, LoadSettings, PreparedLoad};
use metawrk::script::Script;
use metawrk::units::Time;
use support::load::run;
use support::tls::{Authority, Identity, TlsServer};
use support::{OK, Server};
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// 100 requests/s for 200 ms: 20 requests, on one thread with two connections. On a busy machine
/// they are late, but almost none is lost: the schedule is caught up at once.
fn settings(url: String) -> LoadSettings {
    LoadSettings {
        threads: 1,
        connections: 2,
        duration: Time::from_millis(200),
        drain: Time::from_secs(20),
        ..LoadSettings::new(url, 100.0)
    }
}

/// Runs a load in which every sent request is answered. Returns the number of answers.
fn answered(settings: LoadSettings) -> u64 {
    let (result, _) = run(settings);
    let account = result.account();
    assert_eq!(account.answered + account.unsent, account.scheduled, "{account:?}");
    assert_eq!(account.bytes, account.answered * OK.len() as u64);
    account.answered
}

fn checked(url: String, authorities: &Path) -> LoadSettings {
    LoadSettings {
        tls: TlsSettings { verify: true, authorities: Some(authorities.to_owned()), ..TlsSettings::default() },
        ..settings(url)
    }
}

fn refusal(settings: LoadSettings) -> LoadError {
    PreparedLoad::new(LoadPlan::new(settings).unwrap(), None).err().unwrap()
}

/// The error after `unable to connect to HOST:PORT `.
fn why(settings: LoadSettings) -> String {
    let error = refusal(settings).to_string();
    let rest = error.strip_prefix("unable to connect to ").unwrap_or_else(|| panic!("{error}"));
    rest.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn without_verification_any_certificate_is_accepted() {
    let authority = Authority::new();
    for identity in
        [Identity::self_signed("localhost"), Identity::self_signed("other.test"), authority.vouch_long_ago("localhost")]
    {
        for version in [&TLS12, &TLS13] {
            let server = TlsServer::new(identity.config_for(&[version]), usize::MAX);
            assert!(answered(settings(server.url())) >= 10);
        }
    }
}

#[test]
fn sni_has_the_name_of_the_server_and_never_an_address() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    run(settings(server.named_url()));
    assert!(server.seen.lock().unwrap().drain(..).all(|seen| seen.name.as_deref() == Some("localhost")));
    run(settings(server.url()));
    assert!(server.seen.lock().unwrap().iter().all(|seen| seen.name.is_none()));
}

#[test]
fn the_newest_version_is_used_and_sessions_are_resumed() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), 1);
    let (result, _) = run(settings(server.url()));
    assert!(result.account().answered > 2, "{:?}", result.account());
    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().all(|seen| seen.version == ProtocolVersion::TLSv1_3));
    assert!(seen.iter().filter(|seen| seen.resumed).count() > 0, "{seen:?}");
}

#[test]
fn a_verified_certificate_must_be_signed_for_that_name_and_time() {
    let authority = Authority::new();
    let good = TlsServer::new(authority.vouch("localhost").config(), usize::MAX);
    assert!(answered(checked(good.named_url(), &authority.file)) >= 10);
    let by_address = TlsServer::new(authority.vouch("127.0.0.1").config(), usize::MAX);
    assert!(answered(checked(by_address.url(), &authority.file)) >= 10);

    insta::assert_snapshot!(why(checked(good.url(), &authority.file)), @"the server's certificate is not valid for the name 127.0.0.1. To accept any certificate, leave out `verify` and `cacert`");
    let expired = TlsServer::new(authority.vouch_long_ago("localhost").config(), usize::MAX);
    insta::assert_snapshot!(why(checked(expired.named_url(), &authority.file)), @"the server's certificate has expired. To accept any certificate, leave out `verify` and `cacert`");
    let own = TlsServer::new(Identity::of_an_authority("localhost").config(), usize::MAX);
    insta::assert_snapshot!(why(checked(own.named_url(), &authority.file)), @"the server's certificate is a CA certificate (CA:TRUE), which is accepted only if it is in the file of `cacert`. To accept any certificate, leave out `verify` and `cacert`");
    let unknown = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    insta::assert_snapshot!(why(checked(unknown.named_url(), &authority.file)), @"the server's certificate is not signed by a trusted certificate authority (`cacert` names one). To accept any certificate, leave out `verify` and `cacert`");
}

#[test]
fn a_self_signed_certificate_is_accepted_if_it_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let serve = |identity: Identity| {
        let file = dir.path().join("own.pem");
        std::fs::write(&file, &identity.pem).unwrap();
        (TlsServer::new(identity.config(), usize::MAX), file)
    };
    for identity in [Identity::self_signed("localhost"), Identity::of_an_authority("localhost")] {
        let (server, file) = serve(identity);
        assert!(answered(checked(server.named_url(), &file)) >= 10);
        insta::allow_duplicates! {
            insta::assert_snapshot!(why(checked(server.url(), &file)), @"the server's certificate is not valid for the name 127.0.0.1. To accept any certificate, leave out `verify` and `cacert`");
        }
    }
    let (server, file) = serve(Identity::of_an_authority_long_ago("localhost"));
    insta::assert_snapshot!(why(checked(server.named_url(), &file)), @"the server's certificate has expired. To accept any certificate, leave out `verify` and `cacert`");
}

#[test]
fn without_a_file_the_authorities_of_the_system_are_used() {
    let server = TlsServer::new(Authority::new().vouch("localhost").config(), usize::MAX);
    let tls = TlsSettings { verify: true, ..TlsSettings::default() };
    let error = refusal(LoadSettings { tls, ..settings(server.named_url()) });
    // A machine may have none.
    assert!(
        matches!(error, LoadError::Tls(_))
            || error.to_string().contains("not signed by a trusted certificate authority"),
        "{error}"
    );
}

#[test]
fn unreadable_authorities_are_an_error_before_the_load() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let message = || refusal(checked(server.url(), &file)).to_string().replace(&file.display().to_string(), "ca.pem");
    insta::assert_snapshot!(message(), @"cannot read the certificate authorities in ca.pem: No such file or directory (os error 2). `cacert` takes a PEM file of certificates");
    std::fs::write(&file, "no PEM").unwrap();
    insta::assert_snapshot!(message(), @"cannot read the certificate authorities in ca.pem: it contains no certificate. `cacert` takes a PEM file of certificates");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n").unwrap();
    insta::assert_snapshot!(message(), @"cannot read the certificate authorities in ca.pem: it contains something that is not a certificate. `cacert` takes a PEM file of certificates");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
    insta::assert_snapshot!(message(), @"cannot read the certificate authorities in ca.pem: the file is damaged or cut short. `cacert` takes a PEM file of certificates");
}

#[test]
fn verification_needs_an_https_url() {
    let refused = LoadPlan::new(checked("http://localhost/".into(), Path::new("ca.pem"))).unwrap_err();
    assert!(matches!(refused, PlanError::Conflict { option: "cacert", .. }));
    let tls = TlsSettings { verify: true, ..TlsSettings::default() };
    let refused = LoadPlan::new(LoadSettings { tls, ..settings("http://localhost/".into()) }).unwrap_err();
    insta::assert_snapshot!(refused, @"`verify` needs an https URL: with http there is no certificate to verify. Write https, or leave it out");
}

#[test]
fn a_server_without_tls_is_an_error_before_the_load() {
    let plain = Server::start(|mut peer| {
        // It takes the ClientHello for a request.
        std::io::Read::read(&mut peer.stream, &mut [0; 4096]).unwrap();
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        peer.swallow();
    });
    let https = |server: &Server| settings(format!("https://{}/", server.address));
    insta::assert_snapshot!(why(https(&plain)), @"the server does not speak TLS. If it speaks plain HTTP, write http:// in the URL");
    let closing = Server::start(|mut peer| {
        // A close with data that was not read would be a reset.
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
        peer.swallow();
    });
    insta::assert_snapshot!(why(https(&closing)), @"the server closed the connection during the TLS handshake");
    let resetting = Server::start(|peer| peer.reset());
    insta::assert_snapshot!(why(https(&resetting)), @"the TLS handshake failed: Connection reset by peer");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    insta::assert_snapshot!(why(settings(format!("https://{closed}/"))), @"Connection refused");
}

#[test]
fn a_server_without_a_common_cipher_is_an_error_before_the_load() {
    let server = Server::start(|mut peer| {
        std::io::Read::read(&mut peer.stream, &mut [0; 4096]).unwrap();
        // A fatal alert: handshake failure.
        peer.send(&[21, 3, 3, 0, 2, 2, 40]);
        peer.swallow();
    });
    insta::assert_snapshot!(why(settings(format!("https://{}/", server.address))), @"the server accepts no TLS version or cipher that is offered: TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305. Not supported are TLS 1.0 and 1.1, and in TLS 1.2 RSA key exchange, DHE and CBC ciphers");
}

#[test]
fn failed_handshakes_under_load_are_connect_errors_and_their_requests_wait() {
    let good = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    // Only the connection before the load gets through.
    let server = Server::letting_through(1, good.server.address);
    let settings = LoadSettings { drain: Time::ZERO, ..settings(format!("https://{}/", server.address)) };
    let (result, _) = run(settings);
    assert_eq!((result.account().scheduled, result.account().unsent), (20, 20));
    assert!(result.generator().connect_errors > 1, "{:?}", result.generator());
}

#[test]
fn connections_that_came_up_are_told_from_attempts() {
    let good = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    // Only the connection before the load and one more get through.
    let server = Server::letting_through(2, good.server.address);
    let settings = settings(format!("https://{}/", server.address));
    let (result, _) = run(LoadSettings { threads: 1, connections: 4, ..settings });
    let own = result.generator();
    assert_eq!((own.connections_planned, own.connections_established, own.connections_never_up), (4, 1, 3), "{own:?}");
    assert!((0.5..=1.0).contains(&own.connections_up_mean), "{own:?}");
    assert_eq!(own.causes.total(), own.connect_errors, "{own:?}");
    assert!(own.connections_opened - own.connect_errors <= 4, "one came up, and three may be on their way: {own:?}");
}

#[test]
fn large_requests_arrive_completely() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    let text = r#"wrk.method = "POST"; wrk.body = string.rep("x", 3000000)"#;
    let script = Script { name: "large.lua".into(), text: text.into() };
    let settings = LoadSettings { script: Some(script), rate: 20.0.into(), ..settings(server.url()) };
    assert!(answered(LoadSettings { drain: Time::from_secs(60), ..settings }) >= 1);
}

#[test]
fn ipv6_addresses_are_targets_with_and_without_tls() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        eprintln!("not tested: this machine has no IPv6");
        return;
    };
    let server = Server::on(listener, |mut peer| while peer.request().is_some() && peer.send(OK) {});
    assert!(answered(settings(server.url())) >= 10);
    let authority = Authority::new();
    let server = TlsServer::on(TcpListener::bind("[::1]:0").unwrap(), authority.vouch("::1").config(), usize::MAX);
    assert!(answered(checked(server.url(), &authority.file)) >= 10);
}
