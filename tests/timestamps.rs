//! When responses arrived and when they were read: the kernel's timestamps and the generator's own clock.

mod support;

use metawrk::load::LoadSettings;
use metawrk::load::plan::{Retries, Timestamps};
use metawrk::record::{Outcome, RequestRecord};
use metawrk::units::Time;
use support::http2::{Answer, Http2Server};
use support::load::{run, settings};
use support::program::{WRK2, assert_refused, eventually};
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

fn answers(records: &[RequestRecord]) -> Vec<&RequestRecord> {
    records.iter().filter(|r| r.outcome() == Some(Outcome::Answered)).collect()
}

/// Runs the load until it has timestamps: the kernel begins to make them some time after the first socket asked for them.
fn run_with_timestamps(settings: &LoadSettings) -> Vec<RequestRecord> {
    let mut records = Vec::new();
    eventually("a kernel timestamp", || {
        let result;
        (result, records) = run(settings.clone());
        let (stats, answers) = (result.generator(), answers(&records));
        assert_eq!(stats.timestamps + stats.timestamps_missing, answers.len() as u64);
        assert_eq!(answers.iter().filter(|r| r.end < r.seen).count() as u64, stats.timestamps);
        assert_eq!(result.latencies().wakeup.len(), stats.timestamps);
        for record in answers {
            assert!(record.sent <= record.first_byte && record.first_byte <= record.end, "{record:?}");
            assert!(record.end <= record.seen, "{record:?}");
        }
        stats.timestamps > 0
    });
    records
}

/// Runs the load until it has answers. None of them may have a timestamp.
fn run_without_timestamps(settings: &LoadSettings) {
    eventually("an answer", || {
        let (result, records) = run(settings.clone());
        let stats = result.generator();
        assert_eq!((stats.timestamps, stats.timestamps_missing), (0, 0));
        assert!(result.latencies().wakeup.is_empty());
        assert!(answers(&records).iter().all(|r| r.seen == r.end));
        result.account().answered > 0
    });
}

#[test]
fn responses_end_when_the_kernel_received_them() {
    let server = Server::answering(OK);
    run_with_timestamps(&load(server.url(), Timestamps::Kernel));
    run_with_timestamps(&load(server.url(), Timestamps::Auto));
}

#[test]
fn with_slack_responses_are_read_late_and_end_when_they_arrived() {
    let server = Server::answering(OK);
    let slack = Time::from_millis(5);
    let settings = LoadSettings { slack, connections: 10, ..load(server.url(), Timestamps::Kernel) };
    eventually("responses that wait until the thread wakes up", || {
        let (result, records) = run(settings.clone());
        assert!(records.iter().all(|r| r.sent >= r.due), "a request was sent before it was due");
        let read_late =
            records.iter().filter_map(RequestRecord::wakeup_latency).filter(|late| *late > Time::from_millis(2));
        result.account().answered == 100 && read_late.count() > 50
    });
}

#[test]
fn encrypted_responses_do_too() {
    let server = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    run_with_timestamps(&load(server.url(), Timestamps::Kernel));
}

#[test]
fn responses_over_http2_do_too() {
    let server = Http2Server::answering(|_, _| Answer::Ok);
    run_with_timestamps(&LoadSettings { http2: true, ..load(server.url(), Timestamps::Kernel) });
}

#[test]
fn by_the_clock_of_the_generator_responses_end_when_they_are_read() {
    let server = Server::answering(OK);
    run_without_timestamps(&load(server.url(), Timestamps::User));
    let tls = TlsServer::new(Identity::self_signed("localhost").config(), usize::MAX);
    run_without_timestamps(&load(tls.url(), Timestamps::User));
    let http2 = Http2Server::answering(|_, _| Answer::Ok);
    run_without_timestamps(&LoadSettings { http2: true, ..load(http2.url(), Timestamps::User) });
}

#[test]
fn at_full_speed_responses_end_when_they_are_read() {
    let server = Server::answering(OK);
    let full_speed = |timestamps| LoadSettings {
        duration: Time::from_millis(50),
        ..LoadSettings { rate: 200_000.0.into(), ..load(server.url(), timestamps) }
    };
    run_without_timestamps(&full_speed(Timestamps::Auto));
    run_with_timestamps(&full_speed(Timestamps::Kernel));
}

#[test]
fn the_generator_acts_when_it_has_read_a_response() {
    let server = Server::answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let backoff = Time::from_millis(3);
    let settings = LoadSettings { retries: Retries { count: 1, backoff }, ..load(server.url(), Timestamps::Kernel) };
    let records = run_with_timestamps(&settings);
    let mut answers = answers(&records);
    answers.sort_by_key(|r| r.sent);
    for pair in answers.windows(2) {
        // A connection counts as free since its last response was read, minus the send lag that is handed on.
        let lag = pair[0].send_lag().unwrap();
        assert!(pair[1].ready.plus(lag) >= pair[0].seen, "{pair:?}");
    }
    answers.sort_by_key(|r| (r.request, r.attempt));
    let retried = answers.windows(2).filter(|pair| pair[0].request == pair[1].request);
    assert!(retried.clone().count() > 0);
    assert!(retried.into_iter().all(|pair| pair[1].ready >= pair[0].seen.plus(backoff)));
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
