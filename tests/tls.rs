//! The generator against servers that speak TLS, or should: whose certificate is taken, and what is said of the rest.

mod support;

use std::net::TcpListener;
use std::path::Path;

use metawrk::load::plan::{PlanError, TlsSettings};
use metawrk::load::{LoadError, LoadPlan, LoadSettings, Prepared};
use metawrk::script::Script;
use metawrk::units::Time;
use support::load::run;
use support::tls::{Authority, Identity, TlsServer};
use support::{OK, Server};
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// 100 requests/s for 200 ms: 20 requests, on one thread with two connections. A machine that is busy makes them late,
/// but loses none: all but the very last are caught up with at once.
fn settings(url: String) -> LoadSettings {
    LoadSettings {
        threads: 1,
        connections: 2,
        duration: Time::from_millis(200),
        catch_up: 1000.0,
        drain: Time::from_secs(20),
        ..LoadSettings::new(url, 100.0)
    }
}

/// Answers to a load whose every request that was sent got one.
fn answered(settings: LoadSettings) -> u64 {
    let (loaded, _) = run(settings);
    let account = loaded.account();
    assert_eq!(account.answered + account.unsent, account.scheduled, "{account:?}");
    assert_eq!(account.bytes, account.answered * OK.len() as u64);
    account.answered
}

fn checked(url: String, authorities: &Path) -> LoadSettings {
    LoadSettings { tls: TlsSettings { verify: true, authorities: Some(authorities.to_owned()) }, ..settings(url) }
}

fn refusal(settings: LoadSettings) -> LoadError {
    Prepared::new(LoadPlan::new(settings).unwrap(), None).err().unwrap()
}

/// What stands behind `unable to connect to HOST:PORT `.
fn why(settings: LoadSettings) -> String {
    let error = refusal(settings).to_string();
    let rest = error.strip_prefix("unable to connect to ").unwrap_or_else(|| panic!("{error}"));
    rest.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn any_certificate_is_taken_where_none_is_checked() {
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
fn a_server_is_asked_for_by_its_name_and_never_by_an_address() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    run(settings(server.named_url()));
    assert!(server.seen.lock().unwrap().drain(..).all(|seen| seen.name.as_deref() == Some("localhost")));
    run(settings(server.url()));
    assert!(server.seen.lock().unwrap().iter().all(|seen| seen.name.is_none()));
}

#[test]
fn the_newest_version_is_spoken_and_sessions_are_resumed() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), 1);
    let (loaded, _) = run(settings(server.url()));
    assert!(loaded.account().answered > 2, "{:?}", loaded.account());
    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().all(|seen| seen.version == ProtocolVersion::TLSv1_3));
    assert!(seen.iter().filter(|seen| seen.resumed).count() > 0, "{seen:?}");
}

#[test]
fn a_certificate_that_is_checked_must_come_from_the_authority_for_that_name_and_time() {
    let authority = Authority::new();
    let good = TlsServer::new(authority.vouch("localhost").config(), usize::MAX);
    assert!(answered(checked(good.named_url(), &authority.file)) >= 10);
    let by_address = TlsServer::new(authority.vouch("127.0.0.1").config(), usize::MAX);
    assert!(answered(checked(by_address.url(), &authority.file)) >= 10);

    insta::assert_snapshot!(why(checked(good.url(), &authority.file)), @"the server's certificate is not valid for the name 127.0.0.1; leave --verify and --cacert out to take any certificate");
    let expired = TlsServer::new(authority.vouch_long_ago("localhost").config(), usize::MAX);
    insta::assert_snapshot!(why(checked(expired.named_url(), &authority.file)), @"the server's certificate has expired; leave --verify and --cacert out to take any certificate");
    let own = TlsServer::new(Identity::of_an_authority("localhost").config(), usize::MAX);
    insta::assert_snapshot!(why(checked(own.named_url(), &authority.file)), @"the server's certificate is an authority's own (CA:TRUE); name it with --cacert if it is the server's too; leave --verify and --cacert out to take any certificate");
    let unknown = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    insta::assert_snapshot!(why(checked(unknown.named_url(), &authority.file)), @"the server's certificate comes from no trusted authority (--cacert names one); leave --verify and --cacert out to take any certificate");
}

#[test]
fn a_certificate_that_vouches_for_itself_is_taken_where_it_was_named() {
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
            insta::assert_snapshot!(why(checked(server.url(), &file)), @"the server's certificate is not valid for the name 127.0.0.1; leave --verify and --cacert out to take any certificate");
        }
    }
    let (server, file) = serve(Identity::of_an_authority_long_ago("localhost"));
    insta::assert_snapshot!(why(checked(server.named_url(), &file)), @"the server's certificate has expired; leave --verify and --cacert out to take any certificate");
}

#[test]
fn without_a_file_the_systems_authorities_decide() {
    let server = TlsServer::new(Authority::new().vouch("localhost").config(), usize::MAX);
    let tls = TlsSettings { verify: true, authorities: None };
    let error = refusal(LoadSettings { tls, ..settings(server.named_url()) });
    // A machine may have none.
    assert!(matches!(error, LoadError::Tls(_)) || error.to_string().contains("from no trusted authority"), "{error}");
}

#[test]
fn authorities_that_cannot_be_read_are_named_before_any_load() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let told = || refusal(checked(server.url(), &file)).to_string().replace(&file.display().to_string(), "ca.pem");
    insta::assert_snapshot!(told(), @"cannot read the authorities in ca.pem: No such file or directory (os error 2); --cacert takes a file of certificates in PEM");
    std::fs::write(&file, "no PEM").unwrap();
    insta::assert_snapshot!(told(), @"cannot read the authorities in ca.pem: there is none in it; --cacert takes a file of certificates in PEM");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n").unwrap();
    insta::assert_snapshot!(told(), @"cannot read the authorities in ca.pem: what it holds is no certificate; --cacert takes a file of certificates in PEM");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
    insta::assert_snapshot!(told(), @"cannot read the authorities in ca.pem: it is damaged or cut short; --cacert takes a file of certificates in PEM");
}

#[test]
fn checking_a_certificate_makes_no_sense_without_one() {
    let refused = LoadPlan::new(checked("http://localhost/".into(), Path::new("ca.pem"))).unwrap_err();
    assert!(matches!(refused, PlanError::Conflict { what: "cacert", .. }));
    let tls = TlsSettings { verify: true, authorities: None };
    let refused = LoadPlan::new(LoadSettings { tls, ..settings("http://localhost/".into()) }).unwrap_err();
    insta::assert_snapshot!(refused, @"verify looks at a certificate, and an http URL has none; write https, or leave it out");
}

#[test]
fn what_speaks_no_tls_is_told_before_any_load() {
    let plain = Server::start(|mut peer| {
        // It takes the greeting for a request.
        std::io::Read::read(&mut peer.stream, &mut [0; 4096]).unwrap();
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        peer.swallow();
    });
    let https = |server: &Server| settings(format!("https://{}/", server.address));
    insta::assert_snapshot!(why(https(&plain)), @"the server does not speak TLS there; write http:// if it speaks plain HTTP");
    let closing = Server::start(|mut peer| {
        std::io::Read::read(&mut peer.stream, &mut [0; 4096]).unwrap();
    });
    insta::assert_snapshot!(why(https(&closing)), @"the server closed the connection in the TLS handshake");
    let resetting = Server::start(|peer| peer.reset());
    insta::assert_snapshot!(why(https(&resetting)), @"the TLS handshake failed: Connection reset by peer");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    insta::assert_snapshot!(why(settings(format!("https://{closed}/"))), @"Connection refused");
}

#[test]
fn a_server_that_wants_none_of_our_ciphers_is_told_before_any_load() {
    let server = Server::start(|mut peer| {
        std::io::Read::read(&mut peer.stream, &mut [0; 4096]).unwrap();
        // A fatal alert: handshake failure.
        peer.send(&[21, 3, 3, 0, 2, 2, 40]);
    });
    insta::assert_snapshot!(why(settings(format!("https://{}/", server.address))), @"the server takes no version or cipher of TLS that is offered (1.2 and 1.3 are)");
}

#[test]
fn handshakes_that_fail_under_load_are_connect_errors_and_their_requests_wait() {
    let good = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    // The look before any load gets through, nobody after it.
    let server = Server::letting_through(1, good.server.address);
    let settings = LoadSettings { drain: Time::ZERO, ..settings(format!("https://{}/", server.address)) };
    let (loaded, _) = run(settings);
    assert_eq!((loaded.account().scheduled, loaded.account().unsent), (20, 20));
    assert!(loaded.generator().connect_errors > 1, "{:?}", loaded.generator());
}

#[test]
fn large_requests_arrive_whole() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    let text = r#"wrk.method = "POST"; wrk.body = string.rep("x", 3000000)"#;
    let script = Script { name: "large.lua".into(), text: text.into() };
    let settings = LoadSettings { script: Some(script), rate: 20.0.into(), ..settings(server.url()) };
    assert!(answered(LoadSettings { drain: Time::from_secs(60), ..settings }) >= 1);
}

#[test]
fn addresses_of_the_sixth_version_are_targets_in_clear_and_over_tls() {
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
