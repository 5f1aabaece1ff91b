//! Faults on a proxy in front of a service: the system's traffic meets them, and the proxy ends with the run.

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metawrk::fault::{Fault, LinkFault};
use metawrk::testbed::ProxyProcess;
use rustix::process::Signal;
use support::program::{METAWRK, eventually, run, started};
use support::{OK, Server};

/// An address of this machine on which nothing listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A service that sends back what it receives.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut to = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut &stream, &mut to);
            });
        }
    });
    address
}

/// A system that calls a service without end, a connection for each call. It stops when it is dropped.
struct Caller {
    ends: Arc<AtomicBool>,
    resets: Arc<AtomicU64>,
}

impl Caller {
    fn start(service: SocketAddr) -> Caller {
        let caller = Caller { ends: Arc::default(), resets: Arc::default() };
        let (ends, resets) = (Arc::clone(&caller.ends), Arc::clone(&caller.resets));
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let called = TcpStream::connect(service).and_then(|mut stream| {
                    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
                    stream.write_all(b"x")?;
                    stream.read_exact(&mut [0])
                });
                let was_reset = called.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
                resets.fetch_add(u64::from(was_reset), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        caller
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// A proxy before an echo server, and a fault on it.
async fn proxy_with(effect: &str) -> (SocketAddr, ProxyProcess, Box<dyn Fault>) {
    let (listen, to) = (free_address(), echo_server());
    let proxy = ProxyProcess::start(listen, &to.to_string(), Some(Path::new(METAWRK))).await.unwrap();
    let keys = format!("kind = 'proxy'\nlisten = '{listen}'\nto = '{to}'\n{effect}");
    let fault = toml::from_str::<LinkFault>(&keys).unwrap().spec().fault(proxy.link().clone());
    (listen, proxy, fault)
}

#[tokio::test]
async fn each_effect_is_verified_by_probes_and_by_the_traffic_of_the_system() {
    for (effect, applied) in [
        ("cut = 'hang'", "a request through it gets no answer; the system's traffic meets it"),
        ("cut = 'reset'", "a connection through it is reset; the system's traffic meets it"),
        ("delay = '20ms'", "the system's traffic meets it"),
        ("loss = 0.5", "came a retransmission later; the system's traffic meets it"),
        ("bandwidth = '20KiB'", "the system's traffic meets it"),
    ] {
        let (listen, _proxy, mut fault) = proxy_with(effect).await;
        let caller = Caller::start(listen);
        fault.apply().await.unwrap();
        let report = fault.verify_applied().await.unwrap_or_else(|error| panic!("{effect}: {error}"));
        assert!(report.text.ends_with(applied), "{effect}: {report}");
        if effect.contains("reset") {
            eventually("a reset that the system sees", || caller.resets.load(Ordering::Relaxed) > 0);
        }
        fault.remove().await.unwrap();
        fault.verify_removed().await.unwrap_or_else(|error| panic!("{effect}: {error}"));
        let mut stream = TcpStream::connect(listen).unwrap();
        stream.write_all(b"y").unwrap();
        let mut echo = [0];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, *b"y", "{effect}");
    }
}

#[tokio::test]
async fn a_fault_that_the_system_does_not_meet_has_no_effect() {
    let (_listen, _proxy, mut fault) = proxy_with("delay = '20ms'").await;
    fault.apply().await.unwrap();
    let error = fault.verify_applied().await.unwrap_err().to_string();
    assert!(error.contains("no traffic of the system passed it") && error.contains("`listen`"), "{error}");
    fault.remove().await.unwrap();
    fault.verify_removed().await.unwrap();
}

/// Writes an experiment whose load reaches the server through the proxy, and returns the proxy's address.
fn write_experiment(dir: &Path, to: &str, effect: &str) -> SocketAddr {
    let listen = free_address();
    let text = format!(
        "name = 't'\n[target]\nurl = 'http://{listen}/'\n[load]\nrate = 50\nwhen-busy = 'open'\n\
         [phases]\nwarmup = '0s'\nbaseline = '5s'\n\
         [[fault]]\nkind = 'proxy'\nlisten = '{listen}'\nto = '{to}'\n{effect}\nfor = '1s'\n"
    );
    fs::write(dir.join("x.toml"), text).unwrap();
    listen
}

fn is_refused(listen: SocketAddr) -> bool {
    TcpStream::connect(listen).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn the_load_of_an_experiment_meets_the_fault_and_the_proxy_ends_with_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let listen = write_experiment(dir.path(), &server.address.to_string(), "cut = 'reset'");
    let experiment = started(METAWRK, dir.path(), &["experiment", "x.toml", "--anyway"]);
    let events = dir.path().join("results/latest/events.jsonl");
    let read = || fs::read_to_string(&events).unwrap_or_default();
    eventually("the removal", || read().contains("removal-verified"));
    let text = read();
    assert!(text.contains("\"step\":\"effective\"") && text.contains("the system's traffic meets it"), "{text}");
    assert!(!is_refused(listen), "the proxy goes on after the fault");
    experiment.send(Signal::INT);
    let ended = experiment.end();
    assert!(ended.out.contains(" connection reset ("), "{ended:?}");
    assert!(is_refused(listen));
}

#[test]
fn the_proxy_ends_with_a_run_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let listen = write_experiment(dir.path(), &server.address.to_string(), "delay = '20ms'");
    let experiment = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    eventually("the proxy", || TcpStream::connect(listen).is_ok());
    experiment.send(Signal::KILL);
    experiment.end();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_refused(listen) {
        assert!(Instant::now() < deadline, "the proxy outlived its run");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_check_starts_the_proxy_and_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let to = server.address.to_string();
    let line = || {
        let ended = run(METAWRK, dir.path(), &["check", "x.toml"]);
        let line = ended.out.lines().find(|line| line.split_whitespace().nth(1) == Some("proxy"));
        line.unwrap_or_else(|| panic!("{ended:?}")).to_owned()
    };
    let listen = write_experiment(dir.path(), &to, "loss = 0.1");
    assert_eq!(line(), format!("ok    proxy        {listen} forwards connections to {to}"));
    let taken = TcpListener::bind(listen).unwrap();
    let found = line();
    assert!(found.starts_with("FAIL") && found.contains("Address already in use"), "{found}");
    assert!(found.ends_with("Choose another `listen`, or end the program that uses it."), "{found}");
    drop(taken);
    let nothing = free_address();
    write_experiment(dir.path(), &nothing.to_string(), "loss = 0.1");
    let found = line();
    assert!(found.starts_with("FAIL") && found.contains(&format!("cannot connect to {nothing}: ")), "{found}");
}
