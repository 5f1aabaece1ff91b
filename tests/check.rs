//! `metawrk check`: its findings, and that it neither generates load nor leaves files.

mod support;

use std::fs;
use std::path::Path;

use support::program::{Ended, METAWRK, run};
use support::{OK, Server};

fn check(dir: &Path, url: &str, load: &str) -> Ended {
    let text = format!("name = \"t\"\n[target]\nurl = \"{url}\"\n[load]\nrate = 100\n{load}\n");
    fs::write(dir.join("x.toml"), text).unwrap();
    run(METAWRK, dir, &["check", "x.toml"])
}

fn line<'a>(ended: &'a Ended, on: &str) -> &'a str {
    ended.out.lines().find(|line| line.split_whitespace().nth(1) == Some(on)).unwrap_or_else(|| panic!("{ended:?}"))
}

#[test]
fn a_reachable_target_gets_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let ended = check(dir.path(), &server.url(), "");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for on in ["experiment", "disk", "open", "target", "script", "rate"] {
        assert!(line(&ended, on).starts_with("ok "), "{ended:?}");
    }
    assert!(line(&ended, "target").contains("answers with status 200"), "{ended:?}");
    assert!(line(&ended, "script").contains("none: each request is a GET of http://127.0.0.1:"), "{ended:?}");
    assert_eq!(server.requests.lock().unwrap().len(), 1, "one real request");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["x.toml"]);
}

#[test]
fn problems_fail_with_a_remedy_and_do_not_stop_the_other_checks() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("broken.lua"), "function request() return nil + 1 end").unwrap();
    let ended = check(dir.path(), "http://127.0.0.1:1/", "script = \"broken.lua\"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        line(&ended, "target").starts_with("FAIL") && line(&ended, "target").contains("Start the system"),
        "{ended:?}"
    );
    assert!(line(&ended, "script").starts_with("FAIL") && line(&ended, "script").contains("broken.lua:1"), "{ended:?}");
    assert!(line(&ended, "disk").starts_with("ok "), "{ended:?}");
}

#[test]
fn a_target_that_answers_badly_fails() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |server: &Server, load: &str, text: &str| {
        let ended = check(dir.path(), &server.url(), load);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let line = line(&ended, "target");
        assert!(line.starts_with("FAIL") && line.contains(text) && line.contains("correct the url"), "{line}");
    };
    let error = Server::answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    fails(&error, "", "answers with status 500");
    fails(&Server::start(|mut peer| drop(peer.request())), "", "ends the connection without a valid answer");
    fails(&Server::start(|mut peer| peer.swallow()), "timeout = \"60s\"", "does not answer within 5s");
    // The request is that of the load, with its script and its headers.
    let server = Server::start(|mut peer| {
        while let Some(request) = peer.request() {
            let expected =
                request.starts_with(b"PUT /path ") && String::from_utf8_lossy(&request).contains("X-A: b\r\n");
            peer.send(if expected { OK } else { b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n" });
        }
    });
    fs::write(dir.path().join("put.lua"), "request = function() return wrk.format('PUT', '/path') end").unwrap();
    let ended = check(dir.path(), &server.url(), "script = \"put.lua\"\nheaders = { \"X-A\" = \"b\" }");
    assert!(line(&ended, "target").starts_with("ok "), "{ended:?}");
    assert!(line(&ended, "script").contains("put.lua: requests are generated"), "{ended:?}");
}

#[test]
fn an_invalid_file_fails_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let ended = check(dir.path(), "http://127.0.0.1:1/", "rat = 3");
    assert_eq!(ended.code, Some(1));
    assert!(line(&ended, "experiment").contains("x.toml:6: load.rat: unknown field"), "{ended:?}");
}

#[test]
fn the_embedded_testbed_is_started_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(METAWRK, dir.path(), &["check", "--connections", "10"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for on in ["testbed", "link", "target", "script"] {
        assert!(line(&ended, on).starts_with("ok "), "{ended:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
