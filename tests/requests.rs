//! Requests without a script, a load of a number of requests, unix sockets and client certificates, from the command line.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use support::program::{METAWRK, WRK2, assert_refused, run};
use support::tls::{Authority, TlsServer};
use support::{OK, Server};

// Each request has a connection of its own, so that on a busy machine all are sent.

fn requests(server: &Server) -> Vec<String> {
    server.requests.lock().unwrap().drain(..).map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn method_and_body_come_from_options() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("body"), "a=1&b=2").unwrap();
    fs::write(dir.path().join("put.lua"), "wrk.method = 'PATCH'; wrk.body = wrk.body .. '!'").unwrap();
    let server = Server::answering(OK);
    let url = server.url();
    for (options, line, body) in [
        (&["-X", "DELETE"][..], "DELETE / HTTP/1.1", ""),
        (&["--body", "hello"], "POST / HTTP/1.1", "hello"),
        (&["--body", "-1", "--method", "PUT"], "PUT / HTTP/1.1", "-1"),
        (&["--body-file", "body"], "POST / HTTP/1.1", "a=1&b=2"),
        (&["--body", "hello", "-s", "put.lua"], "PATCH / HTTP/1.1", "hello!"),
    ] {
        let ended = run(WRK2, dir.path(), &[&["-t1", "-c2", "-R100", "-n2"], options, &[&url]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let sent = requests(&server);
        assert_eq!(sent.len(), 2, "{options:?}");
        for request in sent {
            assert!(request.starts_with(line) && request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
            let length = format!("\r\nContent-Length: {}\r\n", body.len());
            assert_eq!(request.contains(&length), !body.is_empty(), "{request}");
        }
    }
    for (options, message) in [
        (&["-X", "GE T"][..], "--method must be an HTTP method other than CONNECT"),
        (&["-X", "CONNECT"], "--method must be an HTTP method other than CONNECT"),
        (&["--body-file", "none"], "cannot read the body of the requests: none: No such file"),
        (&["--body", "a", "--body-file", "body"], "cannot be used with"),
    ] {
        assert_refused(WRK2, dir.path(), &[&["-R10"], options, &[&url]].concat(), message);
    }
}

#[test]
fn an_experiment_has_a_method_and_a_body_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let text = format!(
        "name = 't'\n[target]\nurl = '{}'\n[load]\nrate = 10\nmethod = 'PUT'\nbody = 'x=1'\n[phases]\nwarmup = '0s'\n",
        server.url()
    );
    fs::write(dir.path().join("x.toml"), text).unwrap();
    // It sends one real request.
    run(METAWRK, dir.path(), &["check", "x.toml"]);
    let sent = requests(&server);
    assert!(sent[0].starts_with("PUT / HTTP/1.1") && sent[0].ends_with("\r\n\r\nx=1"), "{sent:?}");
}

#[test]
fn a_load_ends_after_its_number_of_requests() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let url = server.url();
    for (options, count, header) in [
        (&["-R100", "-n30"][..], 30, "Running 300ms test"),
        (&["-R500", "-n30", "-Dexp", "-t2"], 30, "Running "),
        // The duration ends it before.
        (&["-R100", "-n30", "-d200ms"], 20, "Running 200ms test"),
        (&["-R50..150@1s", "--max-requests", "10"], 10, "Running "),
    ] {
        let ended = run(WRK2, dir.path(), &[&["-t1", "-c60"], options, &[&url]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.starts_with(header) && ended.out.contains(&format!("  scheduled   {count} = ")), "{ended:?}");
        assert_eq!(requests(&server).len(), count);
    }
    for (options, message) in [
        (&["-R100@1s,0", "-n200"][..], "at this rate, 200 requests are not due within"),
        (&["-R100", "-n1G"], "--max-requests must be at most 100M"),
        (&["-R100", "-n0"], "`0` is not a count"),
    ] {
        assert_refused(WRK2, dir.path(), &[options, &[&url]].concat(), message);
    }
    assert!(requests(&server).is_empty());
}

#[test]
fn a_unix_socket_is_a_target() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("app.sock")).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                // Each request arrives in one piece.
                while matches!(stream.read(&mut buffer), Ok(n) if n > 0) && stream.write_all(OK).is_ok() {}
            });
        }
    });
    let load = |options: &[&str]| run(WRK2, dir.path(), &[&["-t1", "-c20", "-R100", "-n20"], options].concat());
    let ended = load(&["--unix-socket", "app.sock", "http://app.test/x"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("  scheduled   20 = 20 answered"), "{ended:?}");
    for (options, message) in [
        (&["--unix-socket", "none.sock", "http://a/"][..], "unable to connect to none.sock: No such file"),
        (&["--unix-socket", "app.sock", "https://a/"], "--unix-socket needs an http URL"),
        (&["--unix-socket", "app.sock", "--timestamps=kernel", "http://a/"], "does not support timestamps"),
    ] {
        assert_refused(WRK2, dir.path(), &[&["-R10"], options].concat(), message);
    }
}

#[test]
fn a_client_certificate_is_shown_to_servers_that_ask_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let client = authority.vouch("client.test");
    fs::write(dir.path().join("client.pem"), &client.pem).unwrap();
    fs::write(dir.path().join("client.key"), client.key_pem()).unwrap();
    fs::write(dir.path().join("both.pem"), format!("{}{}", client.pem, client.key_pem())).unwrap();
    let other = authority.vouch("other.test");
    fs::write(dir.path().join("other.key"), other.key_pem()).unwrap();
    let server = TlsServer::new(authority.vouch("localhost").config_asking_clients(&authority), usize::MAX);
    let url = server.url();
    let load = |options: &[&str]| run(WRK2, dir.path(), &[&["-t1", "-c5", "-R100", "-n5"], options, &[&url]].concat());
    for options in [&["--cert", "client.pem", "--key", "client.key"][..], &["--cert", "both.pem"]] {
        let ended = load(options);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("  scheduled   5 = 5 answered"), "{ended:?}");
    }
    assert!(!load(&[]).out.contains("= 5 answered"), "without a certificate nothing is answered");
    for (options, message) in [
        (&["--cert", "none.pem"][..], "cannot read the client certificate in none.pem: No such file"),
        (&["--cert", "client.key"], "cannot read the client certificate in client.key: it contains no certificate"),
        (&["--cert", "client.pem"], "cannot read the private key in client.pem: it contains no private key"),
        (
            &["--cert", "client.pem", "--key", "other.key"],
            "the private key in other.key does not fit the certificate of --cert",
        ),
        (&["--key", "client.key"], "--key needs --cert"),
        (&["--sni", "a b"], "a b is not a valid TLS server name"),
    ] {
        assert_refused(WRK2, dir.path(), &[&["-R10"], options, &[&url]].concat(), message);
    }
    assert_refused(WRK2, dir.path(), &["-R10", "--sni", "x", "http://localhost:1/"], "--sni needs an https URL");
}

#[test]
fn another_name_than_that_of_the_url_is_asked_for_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = TlsServer::new(authority.vouch("service.test").config(), usize::MAX);
    let (url, file) = (server.url(), authority.file.display().to_string());
    let load = ["-t1", "-c5", "-R100", "-n5", "--cacert", &file, "--sni", "service.test", &url];
    let ended = run(WRK2, dir.path(), &load);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(server.seen.lock().unwrap().iter().all(|seen| seen.name.as_deref() == Some("service.test")));
}
