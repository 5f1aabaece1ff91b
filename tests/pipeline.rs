//! HTTP/1.1 pipelining: several requests in flight on one connection, because of the plan or of the script.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metawrk::load::plan::{OnTimeout, Retries, WhenBusy};
use metawrk::load::{LoadPlan, LoadSettings, PreparedLoad};
use metawrk::record::{Clock, Outcome};
use metawrk::units::Time;
use support::load::{run, scripted, settings};
use support::{OK, Peer, Server};

/// Three requests in one string.
const THREE: &str = "local one = nil
    function init() one = wrk.format('GET', '/a') .. wrk.format('GET', '/b') .. wrk.format('GET', '/c') end
    function request() return one end";

/// Reads requests one by one, even if several arrive together.
fn each(mut peer: Peer, mut answer: impl FnMut(&mut Peer, &[u8]) -> bool) {
    while let Some(bytes) = peer.request() {
        for request in
            bytes.split_inclusive(|&byte| byte == b'\n').collect::<Vec<_>>().split_inclusive(|l| *l == b"\r\n")
        {
            if !answer(&mut peer, &request.concat()) {
                return;
            }
        }
    }
}

#[test]
fn a_pipeline_writes_behind_the_requests_in_flight() {
    // Silent for 100 ms, in which twenty requests arrive. Then it answers them all.
    let server = Server::start(|peer| {
        let mut first = true;
        each(peer, |peer, _| {
            if std::mem::take(&mut first) {
                std::thread::sleep(Duration::from_millis(100));
            }
            peer.send(OK)
        });
    });
    let settings = LoadSettings { threads: 1, connections: 1, when_busy: WhenBusy::Pipeline, ..settings(&server) };
    let (result, records) = run(settings);
    let account = result.account();
    assert_eq!((account.scheduled, account.answered), (60, 60));
    // One more is the connection before the load.
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    assert!(result.generator().in_flight_max >= 10, "{:?}", result.generator());
    assert!(records.windows(2).all(|pair| pair[0].request < pair[1].request), "responses come in order");
}

#[test]
fn a_script_slower_than_the_rate_does_not_starve_the_connections() {
    let server = Server::start(|peer| each(peer, |peer, _| peer.send(OK)));
    let slow = "function request()
        local till = wrk.time_us() + 20000
        while wrk.time_us() < till do end
        return wrk.format()
    end";
    let settings = LoadSettings {
        threads: 1,
        connections: 1,
        when_busy: WhenBusy::Pipeline,
        duration: Time::from_secs(3600),
        ..scripted(&server, slow)
    };
    let prepared = PreparedLoad::new(LoadPlan::new(settings).unwrap(), None).unwrap();
    let running = prepared.start(Clock::starting_in(Time::ZERO));
    while running.live().iter().map(|live| live.sent()).sum::<u64>() < 20 {
        std::thread::yield_now();
    }
    running.control().stop();
    assert!(running.finish().unwrap().account().answered > 0);
}

#[test]
fn requests_in_one_string_are_sent_together_and_are_due_together() {
    let server = Server::start(|peer| each(peer, |peer, _| peer.send(OK)));
    let (result, records) = run(scripted(&server, THREE));
    let account = result.account();
    assert_eq!((account.scheduled, account.answered), (60, 60), "-R counts responses");
    assert!(server.requests.lock().unwrap().iter().all(|bytes| bytes.matches(b"GET /") == 3));
    let mut records = records;
    records.sort_by_key(|record| (record.thread, record.request));
    for batch in records.chunks(3) {
        let due: Vec<_> = batch.iter().map(|record| (record.due, record.sent, record.connection)).collect();
        assert!(due.iter().all(|one| *one == due[0]), "{due:?}");
    }
    assert_eq!(result.latencies().response.len(), 60);
}

#[test]
fn with_batch_latency_a_string_of_requests_is_one_sample() {
    let server = Server::start(|peer| each(peer, |peer, _| peer.send(OK)));
    let (result, _) = run(LoadSettings { batch_latency: true, ..scripted(&server, THREE) });
    assert_eq!((result.account().answered, result.latencies().response.len()), (60, 20));
}

#[test]
fn responses_in_one_read_or_in_pieces_are_separated() {
    let server = Server::start(|mut peer| {
        while peer.request().is_some() {
            let all = [OK, b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", OK].concat();
            if peer.number % 2 == 0 {
                peer.send(&all);
            } else {
                all.chunks(7).for_each(|piece| assert!(peer.send(piece) || piece.is_empty()));
            }
        }
    });
    let (result, records) = run(scripted(&server, THREE));
    assert_eq!((result.account().answered, result.account().errors.status), (60, 20));
    assert_eq!(result.account().bytes, records.iter().map(|record| record.bytes).sum::<u64>());
    assert!(records.iter().filter(|record| record.status == 200).all(|record| record.bytes == OK.len() as u64));
}

#[test]
fn only_the_failed_request_of_a_string_is_retried() {
    let server = Server::start(|mut peer| {
        let bad = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
        while let Some(bytes) = peer.request() {
            let together = bytes.matches(b"GET /") == 3;
            peer.send(&if together { [OK, bad, OK].concat() } else { OK.to_vec() });
        }
    });
    let retries = Retries { count: 1, backoff: Time::ZERO };
    let settings = LoadSettings { retries, batch_latency: true, ..scripted(&server, THREE) };
    let (result, records) = run(settings);
    let account = result.account();
    assert_eq!((account.scheduled, account.answered, account.attempts), (60, 60, 80));
    assert_eq!(result.latencies().response.len(), 20, "a string is one sample, even after a retry");
    assert!(records.iter().all(|record| (record.status == 503) != record.is_last()));
    let requests = server.requests.lock().unwrap();
    let again: Vec<_> = requests.iter().filter(|bytes| bytes.matches(b"GET /") == 1).collect();
    assert!(again.len() == 20 && again.iter().all(|bytes| bytes.starts_with(b"GET /b HTTP/1.1\r\n")));
}

#[test]
fn a_close_in_the_middle_fails_the_requests_behind_it() {
    let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(move |mut peer| {
        peer.request();
        peer.send(&[OK, close].concat());
    });
    let (result, records) = run(scripted(&server, THREE));
    let account = result.account();
    assert_eq!(account.answered, 2 * account.errors.read, "{account:?}");
    assert!(account.answered > 8 && account.failed == account.errors.read, "{account:?}");
    assert!(records.iter().filter(|r| r.outcome() == Some(Outcome::ReadError)).all(|r| r.request / 2 % 3 == 2));
}

#[test]
fn one_response_too_many_closes_the_connection() {
    let server = Server::start(|mut peer| while peer.request().is_some() && peer.send(&[OK; 4].concat()) {});
    let (result, _) = run(scripted(&server, THREE));
    let account = result.account();
    assert!(account.answered >= 12 && account.failed == 0, "{account:?}");
    assert!(result.threads.iter().map(|thread| thread.unsolicited).sum::<u64>() >= 4);
}

#[test]
fn a_timeout_abandons_all_requests_of_a_string() {
    let server = Server::start(|mut peer| {
        peer.request();
        peer.send(OK);
        peer.swallow();
    });
    let settings = LoadSettings {
        timeout: Time::from_millis(100),
        on_timeout: OnTimeout::Abandon,
        drain: Time::from_secs(2),
        ..scripted(&server, THREE)
    };
    let (result, _) = run(settings);
    let account = result.account();
    // On a busy machine a string's first answer may be late too. Then all its requests are abandoned.
    let of_late_strings = account.failed.checked_sub(2 * account.answered);
    assert!(of_late_strings.is_some_and(|failed| failed % 3 == 0), "{account:?}");
    assert!(account.answered >= 2 && account.errors.timeout == account.failed, "{account:?}");
}

#[test]
fn a_broken_pipeline_fails_its_requests_and_is_opened_again() {
    let server = Server::start(|peer| {
        let mut answers = 0;
        each(peer, |peer, _| {
            answers += 1;
            std::thread::sleep(Duration::from_millis(10));
            answers < 5 && peer.send(OK)
        });
    });
    let settings = LoadSettings { when_busy: WhenBusy::Pipeline, ..settings(&server) };
    let (result, _) = run(settings);
    let account = result.account();
    // Of the requests on a connection that breaks, one that found it idle goes again, and those behind others fail.
    let again = result.generator().sent_again;
    assert!(account.answered > 8 && account.errors.read > 0 && account.errors.read + again > 2, "{account:?} {again}");
    assert_eq!(account.failed, account.errors.read + account.errors.write);
}

/// Counts occurrences in bytes.
trait Matches {
    fn matches(&self, what: &[u8]) -> usize;
}

impl Matches for Vec<u8> {
    fn matches(&self, what: &[u8]) -> usize {
        self.windows(what.len()).filter(|bytes| *bytes == what).count()
    }
}

#[test]
fn a_request_for_another_address_waits_for_the_responses_before_it() {
    let wrong = Arc::new(AtomicUsize::new(0));
    let server = |path: &'static [u8]| {
        let wrong = Arc::clone(&wrong);
        Server::start(move |peer| {
            each(peer, |peer, bytes| {
                wrong.fetch_add(usize::from(!bytes.starts_with(path)), Ordering::SeqCst);
                peer.send(OK)
            });
        })
    };
    let (one, other) = (server(b"GET /1 "), server(b"GET /2 "));
    // Two requests in a row go to the same address.
    let text = format!(
        "local addresses, n = {{ '{}', '{}' }}, 0
        function request()
            n = n + 1
            local which = math.floor(n / 2) % 2 + 1
            wrk.thread.addr = addresses[which]
            return wrk.format('GET', '/' .. which)
        end",
        one.address, other.address
    );
    let settings = LoadSettings { when_busy: WhenBusy::Pipeline, connections: 2, ..scripted(&one, &text) };
    let account = run(settings).0.account();
    assert_eq!((account.answered + account.unsent, wrong.load(Ordering::SeqCst)), (60, 0), "{account:?}");
    assert!(account.answered > 30, "{account:?}");
}
