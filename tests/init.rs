//! `metawrk init` writes an experiment file that `check` accepts, and changes no file.

mod support;

use std::fs;

use support::program::{METAWRK, assert_refused, run};
use support::{OK, Server};

#[test]
fn the_file_is_for_the_system_that_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let ended = run(METAWRK, dir.path(), &["init", "--url", &server.url()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("answered with status 200 after"), "{ended:?}");
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    let checked = run(METAWRK, dir.path(), &["check", "experiment.toml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let before = fs::read(dir.path().join("experiment.toml")).unwrap();
    assert_refused(METAWRK, dir.path(), &["init", "--url", &server.url()], "experiment.toml exists already");
    assert_eq!(fs::read(dir.path().join("experiment.toml")).unwrap(), before);
}

#[test]
fn a_system_that_does_not_answer_has_a_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run(METAWRK, dir.path(), &["init", "--url", &format!("http://{closed}/"), "--out", "x.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("could not be reached: unable to connect"), "{ended:?}");
    assert!(fs::read_to_string(dir.path().join("x.toml")).unwrap().contains("could not be reached"));
    assert_refused(METAWRK, dir.path(), &["init", "--url", "nonsense"], "invalid URL: nonsense");
    assert_refused(METAWRK, dir.path(), &["init"], "--url");
}
