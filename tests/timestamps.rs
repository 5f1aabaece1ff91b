//! When responses arrived and when they were read: the kernel's timestamps and the generator's own clock.

mod support;

use metawrk::load::plan::{Retries, Timestamps};
use metawrk::load::{LoadResult, LoadSettings};
use metawrk::record::{Outcome, RequestRecord};
use metawrk::units::Time;
use support::http2::{Answer, Http2Server};
use support::load::{run, settings};
use support::program::{WRK2, assert_refused};
use support::tls::{Identity, TlsServer};
use support::{OK, Server};

/// One thread with a connection, 200 requests/s for 500 ms.
fn load(url: String, timestamps: Timestamps) -> LoadSettings {
    LoadSettings {
        threads: 1,
        connections: 1,
        duration: Time::from_millis(500),
        drain: Time::from_secs(20),
        timestamps,
        ..LoadSettings::new(url, 200.0)
    }
}

/// The kernel begins to make timestamps some time after the first socket asked for them, so the first responses of this
/// process may have none.
fn run_with_timestamps(settings: LoadSettings) {
    let (result, records) = run(settings);
    let stats = result.generator();
    let answered: Vec<_> = records.iter().filter(|r| r.outcome() == Some(Outcome::Answered)).collect();
    assert!(answered.len() >= 50, "{:?}", result.account());
    assert!(stats.timestamps >= 40, "{} of {}", stats.timestamps, answered.len());
    assert_eq!(stats.timestamps + stats.timestamps_missing, answered.len() as u64);
    assert_eq!(result.latencies().wakeup.len(), stats.timestamps);
    for record in &answered {
        assert!(record.sent <= record.first_byte && record.first_byte <= record.end, "{record:?}");
        assert!(record.end <= record.seen, "{record:?}");
    }
    assert_eq!(answered.iter().filter(|r| r.end < r.seen).count() as u64, stats.timestamps);
}

fn has_no_timestamps((result, records): &(LoadResult, Vec<RequestRecord>)) -> bool {
    let stats = result.generator();
    assert!(result.account().answered >= 20, "{:?}", result.account());
    assert!(records.iter().filter(|r| r.outcome() == Some(Outcome::Answered)).all(|r| r.end <= r.seen));
    let is_read_only = records.iter().all(|r| r.wakeup_latency().is_none());
    is_read_only && stats.timestamps == 0 && stats.timestamps_missing == 0 && result.latencies().wakeup.is_empty()
}

#[test]
fn responses_end_when_the_kernel_received_them() {
    let server = Server::answering(OK);
    run_with_timestamps(load(server.url(), Timestamps::Kernel));
    run_with_timestamps(load(server.url(), Timestamps::Auto));
}

#[test]
fn encrypted_responses_do_too() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    run_with_timestamps(load(server.url(), Timestamps::Kernel));
}

#[test]
fn responses_over_http2_do_too() {
    let server = Http2Server::answering(|_, _| Answer::Ok);
    run_with_timestamps(LoadSettings { http2: true, ..load(server.url(), Timestamps::Kernel) });
}

#[test]
fn by_the_clock_of_the_generator_responses_end_when_they_are_read() {
    let server = Server::answering(OK);
    assert!(has_no_timestamps(&run(load(server.url(), Timestamps::User))));
    let tls = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    assert!(has_no_timestamps(&run(load(tls.url(), Timestamps::User))));
    let http2 = Http2Server::answering(|_, _| Answer::Ok);
    assert!(has_no_timestamps(&run(LoadSettings { http2: true, ..load(http2.url(), Timestamps::User) })));
}

#[test]
fn at_full_speed_responses_end_when_they_are_read() {
    let server = Server::answering(OK);
    let full_speed = |timestamps| LoadSettings {
        duration: Time::from_millis(50),
        ..LoadSettings { rate: 200_000.0.into(), ..load(server.url(), timestamps) }
    };
    assert!(has_no_timestamps(&run(full_speed(Timestamps::Auto))));
    assert!(!has_no_timestamps(&run(full_speed(Timestamps::Kernel))));
}

#[test]
fn the_generator_acts_when_it_has_read_a_response() {
    let server = Server::answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let backoff = Time::from_millis(3);
    let retries = Retries { count: 1, backoff };
    let (_, mut records) = run(LoadSettings { retries, ..load(server.url(), Timestamps::Kernel) });
    records.retain(|r| r.seen.known().is_some());
    records.sort_by_key(|r| r.sent);
    assert!(records.iter().filter(|r| r.wakeup_latency().is_some()).count() >= 40);
    for pair in records.windows(2) {
        // A connection counts as free since its last response was read, minus the send lag that is handed on.
        let lag = pair[0].send_lag().unwrap();
        assert!(pair[1].ready.plus(lag) >= pair[0].seen, "{pair:?}");
    }
    records.sort_by_key(|r| (r.request, r.attempt));
    let retried: Vec<_> = records.windows(2).filter(|pair| pair[0].request == pair[1].request).collect();
    assert!(retried.len() >= 20 && retried.iter().all(|pair| pair[1].ready >= pair[0].seen.plus(backoff)));
}

#[test]
fn failures_and_unanswered_requests_were_not_read() {
    let server = Server::start(|mut peer| {
        peer.request();
        if peer.number % 2 == 0 { peer.reset() } else { peer.swallow() }
    });
    let (_, records) = run(LoadSettings { drain: Time::ZERO, ..settings(&server) });
    assert!(records.iter().any(|r| r.outcome() == Some(Outcome::ReadError)));
    assert!(records.iter().any(|r| r.outcome() == Some(Outcome::Unanswered)));
    assert!(records.iter().all(|r| r.seen.known().is_none()));
}

#[test]
fn a_clock_that_does_not_exist_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert_refused(
        WRK2,
        dir.path(),
        &["-R1", "--timestamps", "server", "http://127.0.0.1:9/"],
        "[possible values: auto, kernel, user]",
    );
}
