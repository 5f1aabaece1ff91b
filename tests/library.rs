//! Loads from Rust, as users of the library write them.

mod support;

// The example is run as its users see it.
#[path = "../examples/load.rs"]
#[allow(dead_code)]
mod example;

use std::time::Duration;

use metawrk::load::LoadError;
use metawrk::record::{Account, Latencies, create_recording, parquet};
use metawrk::script::Script;
use metawrk::{Load, RunError};
use support::{OK, Peer, Server};

fn load<'a>(server: &Server) -> Load<'a> {
    Load::new(server.url(), 200.0).connections(4).duration(Duration::from_millis(300))
}

#[test]
fn the_seconds_of_a_load_add_up_to_its_result() {
    let server = Server::answering(OK);
    let (mut account, mut latencies, mut seconds) = (Account::default(), Latencies::default(), Vec::new());
    let result = load(&server)
        .duration(Duration::from_millis(1200))
        .on_second(|second| {
            account.merge(&second.account);
            latencies.merge(&second.latencies);
            seconds.push((second.start, second.end));
        })
        .run()
        .unwrap();
    assert_eq!(result.account().answered, 240);
    assert_eq!(account, result.account());
    assert_eq!(latencies, result.latencies());
    assert!(seconds.len() >= 2 && seconds.windows(2).all(|pair| pair[0].1 == pair[1].0), "{seconds:?}");
}

#[test]
fn a_load_sends_what_its_settings_say() {
    let server = Server::answering(OK);
    let load = load(&server).method("PUT").header("X-Test", "7").body("hello").threads(1);
    assert_eq!(load.run().unwrap().account().answered, 60);
    let requests = server.requests.lock().unwrap();
    let request = String::from_utf8(requests[0].clone()).unwrap();
    assert!(request.starts_with("PUT / HTTP/1.1\r\n") && request.contains("X-Test: 7\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nhello"), "{request}");
}

#[test]
fn a_condition_ends_a_load() {
    let server = Server::answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let load = load(&server).duration(Duration::from_secs(3600)).stop_if(|second| second.account.errors.status > 100);
    let result = load.run().unwrap();
    assert!(result.duration() < Duration::from_secs(60).into(), "{:?}", result.duration());
    assert!(result.account().balances());
}

#[test]
fn requests_that_are_never_answered_make_lower_bounds() {
    let server = Server::start(|mut peer: Peer| peer.swallow());
    let result = load(&server).timeout(Duration::from_millis(10)).run().unwrap();
    let time = result.latencies().response_time(99.0).unwrap();
    assert!(time.is_lower_bound && time.to_string().starts_with(">= "), "{time}");
}

#[test]
fn records_go_to_a_file() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("requests.parquet");
    let result = load(&server).sink(create_recording(&path).unwrap()).run().unwrap();
    assert_eq!(Account::of(&parquet::read(&path).unwrap()), result.account());
}

#[test]
fn what_is_wrong_is_an_error() {
    let server = Server::answering(OK);
    assert!(matches!(load(&server).connections(1).run(), Err(RunError::Plan(_))));
    let script = Script { name: "x.lua".into(), text: "function request() error('no request') end".into() };
    let failed = load(&server).script(script).run().err().unwrap();
    assert!(failed.to_string().contains("no request"), "{failed}");
    // A port that was free a moment ago refuses connections.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Load::new(format!("http://{closed}/"), 10.0).run();
    assert!(matches!(refused, Err(RunError::Load(LoadError::Connect { .. }))));
}

#[test]
fn the_example_runs() {
    let server = Server::answering(OK);
    let text = example::measure(&server.url(), 200.0, Duration::from_millis(300)).unwrap();
    assert!(text.starts_with("60 of 60 requests were answered\n   50 % "), "{text}");
    assert_eq!(text.lines().count(), 6);
}
