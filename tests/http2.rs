//! The generator against HTTP/2 servers, and some that do not speak it: many requests on one connection, reset streams,
//! closed connections. Every request is accounted for.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use h2::server::Builder;
use metawrk::load::plan::{OnTimeout, PlanError, Retries, TlsSettings, WhenBusy};
use metawrk::load::{LoadPlan, LoadResult, LoadSettings, PreparedLoad};
use metawrk::record::{Outcome, RequestRecord};
use metawrk::script::Script;
use metawrk::units::{Instant, Time};
use support::Server;
use support::http2::{Answer, Http2Server, OK_BYTES};
use support::load::{run, run_until};
use support::tls::{Authority, Identity, TlsServer};

/// 200 requests/s for 300 ms: 60 requests, on one connection with 100 streams. On a busy machine they are late,
/// but almost none is lost: the schedule is caught up at once.
fn settings(server: &Http2Server) -> LoadSettings {
    LoadSettings {
        threads: 1,
        connections: 1,
        duration: Time::from_millis(300),
        http2: true,
        drain: Time::from_secs(20),
        ..LoadSettings::new(server.url(), 200.0)
    }
}

/// The number of sent requests: nearly all.
fn sent(result: &LoadResult) -> u64 {
    let account = result.account();
    assert_eq!(account.scheduled, 60);
    assert!(account.unsent < 20, "{account:?}");
    60 - account.unsent
}

fn script(text: &str) -> Option<Script> {
    Some(Script { name: "test.lua".into(), text: text.into() })
}

/// The connection before the load, and that of the load.
const PROBE_AND_ONE: usize = 2;

#[test]
fn many_requests_in_flight_share_one_connection() {
    let server = Http2Server::answering(|_, _| Answer::After(Duration::from_millis(100)));
    let (result, records) = run(settings(&server));
    let (account, sent) = (result.account(), sent(&result));
    assert_eq!((account.answered, account.attempts, account.bytes), (sent, sent, sent * OK_BYTES));
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), PROBE_AND_ONE);
    assert!(server.seen.in_flight_max.load(Ordering::SeqCst) >= 10, "{:?}", server.seen.in_flight_max);
    assert!(records.iter().all(|r| r.status == 200 && r.connection == 0 && r.sent <= r.first_byte));
    assert!(!result.generator().bound_reached);
}

#[test]
fn requests_are_spread_over_all_connections() {
    let server = Http2Server::answering(|_, _| Answer::Ok);
    let (result, records) = run(LoadSettings { threads: 2, connections: 4, ..settings(&server) });
    assert_eq!(result.account().answered, sent(&result));
    for thread in 0..2 {
        let on = |connection| records.iter().filter(|r| (r.thread, r.connection) == (thread, connection)).count();
        assert!(on(0).abs_diff(on(1)) <= 10, "{} and {}", on(0), on(1));
    }
}

#[test]
fn over_tls_alpn_agrees_on_http2() {
    let authority = Authority::new();
    let mut config = authority.vouch("localhost").config();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Http2Server::start(Some(config), Builder::new(), |_, _| Answer::Ok);
    let tls = TlsSettings { verify: true, authorities: Some(authority.file.clone()), ..TlsSettings::default() };
    let url = format!("https://localhost:{}/", server.address.port());
    let (result, _) = run(LoadSettings { tls, url, ..settings(&server) });
    assert_eq!((result.account().answered, result.account().bytes), (sent(&result), sent(&result) * OK_BYTES));
}

#[test]
fn a_server_without_http2_is_an_error_before_the_load() {
    let why = |url: String| {
        let settings = LoadSettings { http2: true, ..LoadSettings::new(url, 10.0) };
        let error = PreparedLoad::new(LoadPlan::new(settings).unwrap(), None).err().unwrap().to_string();
        error.strip_prefix("unable to connect to ").unwrap().split_once(' ').unwrap().1.to_owned()
    };
    let answers = Server::start(|mut peer| {
        std::io::Read::read(&mut peer.stream, &mut [0; 4096]).unwrap();
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        peer.swallow();
    });
    insta::assert_snapshot!(why(answers.url()), @"the server does not speak HTTP/2: connection error detected: frame with invalid size. To use HTTP/1.1, leave out `http2`");
    // It closes its own direction only, and reads everything: otherwise the close could be a reset.
    let closes = Server::start(|mut peer| {
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
        peer.swallow();
    });
    insta::assert_snapshot!(why(closes.url()), @"the server does not speak HTTP/2: it closed the connection. To use HTTP/1.1, leave out `http2`");
    let identity = Identity::self_signed("localhost");
    let no_alpn = TlsServer::new(identity.config(), usize::MAX);
    insta::assert_snapshot!(why(no_alpn.url()), @"the server does not speak HTTP/2: it does not accept h2 in ALPN. To use HTTP/1.1, leave out `http2`");
    let mut config = identity.config();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let other_alpn = TlsServer::new(config, usize::MAX);
    insta::assert_snapshot!(why(other_alpn.url()), @"the server does not speak HTTP/2: it does not accept h2 in ALPN. To use HTTP/1.1, leave out `http2`");
}

#[test]
fn a_reset_stream_is_a_read_error_of_its_request_only() {
    let server = Http2Server::answering(|_, request| match request % 3 {
        0 => Answer::Reset,
        1 => Answer::ResetInTheMiddle,
        _ => Answer::Ok,
    });
    let (result, records) = run(settings(&server));
    let account = result.account();
    assert_eq!(account.answered + account.errors.read, sent(&result));
    assert!(account.answered.abs_diff(sent(&result) / 3) <= 1, "{account:?}");
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), PROBE_AND_ONE);
    let begun = records.iter().filter(|r| r.outcome() == Some(Outcome::ReadError) && r.status == 200).count();
    assert!(begun > 0 && begun <= 20, "{begun}");
}

#[test]
fn after_goaway_requests_in_flight_are_answered_and_a_new_connection_is_opened() {
    let server = Http2Server::answering(|_, request| match request {
        9 => Answer::OkAndGoAway,
        _ => Answer::After(Duration::from_millis(20)),
    });
    let (result, _) = run(settings(&server));
    let account = result.account();
    // Requests on their way to the server at that moment go again.
    assert_eq!((account.answered, account.failed), (sent(&result), 0), "{account:?}");
    assert!(account.answered >= 20, "{account:?}");
    assert!(server.seen.connections.load(Ordering::SeqCst) > PROBE_AND_ONE);
}

#[test]
fn refused_requests_go_again_and_are_no_errors() {
    let server = Http2Server::answering(|_, request| if request % 3 == 0 { Answer::Refuse } else { Answer::Ok });
    let (result, records) = run(settings(&server));
    let (account, own) = (result.account(), result.generator());
    assert_eq!((account.answered, account.failed), (sent(&result), 0), "{account:?}");
    assert!(own.sent_again >= 20 && own.causes.is_empty(), "{own:?}");
    assert_eq!(server.seen.requests.lock().unwrap().len() as u64, account.answered + own.sent_again);
    assert!(records.iter().all(|r| r.attempt == 0 && r.is_last()));
}

#[test]
fn a_server_that_refuses_everything_gets_each_request_a_bounded_number_of_times() {
    let server = Http2Server::answering(|_, _| Answer::Refuse);
    let (result, _) = run(LoadSettings { rate: 20.0.into(), ..settings(&server) });
    let (account, own) = (result.account(), result.generator());
    assert_eq!((account.scheduled, account.answered, account.unsent), (6, 0, 0), "{account:?}");
    assert_eq!((account.errors.read, own.sent_again), (6, 60));
    assert_eq!(own.causes.of(metawrk::record::ErrorCause::Http2Ended), 6);
}

#[test]
fn a_broken_connection_fails_its_requests_and_is_opened_again() {
    for end in [Answer::Break, Answer::Close] {
        let server = Http2Server::answering(move |_, request| match request {
            9 => end,
            _ => Answer::After(Duration::from_millis(12)),
        });
        let (result, _) = run(settings(&server));
        let account = result.account();
        assert_eq!(account.answered + account.failed + account.unsent, 60, "{account:?}");
        assert!(account.answered >= 5 && account.errors.read >= 1, "{account:?}");
        assert!(server.seen.connections.load(Ordering::SeqCst) > PROBE_AND_ONE);
    }
}

#[test]
fn connections_without_a_response_are_opened_ever_more_slowly() {
    let server = Http2Server::answering(|_, _| Answer::Close);
    let (result, _) = run(settings(&server));
    let account = result.account();
    assert_eq!((account.answered, account.failed + account.unsent), (0, 60), "{account:?}");
    assert!(result.generator().connections_opened < 15, "{:?}", result.generator());
}

#[test]
fn requests_that_wait_for_a_lost_server_stay_unsent() {
    let behind = Http2Server::answering(|_, request| if request == 9 { Answer::Close } else { Answer::Ok });
    let front = Server::letting_through(PROBE_AND_ONE, behind.address);
    let (result, _) = run(LoadSettings { url: front.url(), drain: Time::ZERO, ..settings(&behind) });
    let account = result.account();
    // The request that met the close goes again, and waits too.
    let hit = account.failed + result.generator().sent_again;
    assert!(account.answered <= 9 && hit >= 1 && account.unsent >= 1, "{account:?}");
    assert!(result.generator().connect_errors > 0, "{:?}", result.generator());
}

#[test]
fn responses_larger_than_the_window_arrive_completely() {
    let server = Http2Server::answering(|_, _| Answer::Large);
    let (result, _) = run(LoadSettings { rate: 40.0.into(), drain: Time::from_secs(60), ..settings(&server) });
    let account = result.account();
    assert!(account.answered >= 6 && account.answered + account.unsent == 12, "{account:?}");
    assert_eq!(account.bytes, account.answered * 3_000_004);
}

#[test]
fn the_stream_limit_of_the_server_is_respected() {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(2);
    let server = Http2Server::start(None, builder, |_, _| Answer::After(Duration::from_millis(50)));
    let (result, records) = run(LoadSettings { connections: 2, drain: Time::ZERO, ..settings(&server) });
    assert_eq!(server.seen.in_flight_max.load(Ordering::SeqCst), 4);
    assert_eq!(result.fewest_streams(), Some(2));
    assert!(result.generator().bound_reached && result.account().unsent > 0, "{:?}", result.account());
    // A request that waits for a stream counts as not sent, and its wait counts.
    let at_once = |at: Instant| records.iter().filter(|r| r.sent <= at && at < r.end).count();
    assert!(records.iter().all(|r| at_once(r.sent) <= 4));
}

#[test]
fn a_request_waits_if_all_streams_are_busy() {
    let server = Http2Server::answering(|_, _| Answer::Never);
    let settings = LoadSettings { connections: 2, streams: 5, timeout: Time::from_millis(50), ..settings(&server) };
    let (result, records) = run(LoadSettings { drain: Time::from_millis(100), ..settings });
    let account = result.account();
    assert_eq!((account.scheduled, account.unanswered, account.unsent), (60, 10, 50));
    assert_eq!(account.errors.timeout, 10, "one per request that reached it");
    assert!(records.iter().all(|r| r.is_lower_bound()));
    assert_eq!(result.fewest_streams(), None);
}

#[test]
fn an_abandoned_request_resets_its_own_stream_only() {
    let server = Http2Server::answering(|_, request| if request % 2 == 0 { Answer::Never } else { Answer::Ok });
    let settings = LoadSettings {
        streams: 3,
        timeout: Time::from_millis(15),
        on_timeout: OnTimeout::Abandon,
        drain: Time::from_secs(5),
        ..settings(&server)
    };
    let (result, records) = run(settings);
    let account = result.account();
    assert_eq!((account.answered + account.failed + account.unsent, account.errors.read), (60, 0), "{account:?}");
    assert!(account.answered >= 5 && account.failed >= 5, "{account:?}");
    let mut abandoned = records.iter().filter(|r| r.outcome() == Some(Outcome::Abandoned));
    assert!(abandoned.all(RequestRecord::timed_out));
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), PROBE_AND_ONE);
}

#[test]
fn a_request_of_a_script_is_translated_to_http2() {
    let server = Http2Server::answering(|_, _| Answer::Ok);
    let text = r#"
        local n = 0
        function request()
            n = n + 1
            return wrk.format("POST", "http://other.test:81/p?n=" .. n, {["Connection"] = "close", ["X-N"] = n}, ("x"):rep(n * 5000))
        end
        function response(status, headers, body)
            assert(status == 200 and headers["x-a"] == "1" and body == "ok")
        end"#;
    let (result, _) = run(LoadSettings { script: script(text), ..settings(&server) });
    assert!(result.failure().is_none(), "{:?}", result.failure());
    assert_eq!(result.account().answered, sent(&result));
    let requests = server.seen.requests.lock().unwrap();
    assert_eq!(requests.len() as u64, sent(&result));
    for (head, body) in requests.iter() {
        let n: usize = head.headers()["x-n"].to_str().unwrap().parse().unwrap();
        assert_eq!((head.method().as_str(), body.len()), ("POST", n * 5000));
        assert_eq!(head.uri().to_string(), format!("http://other.test:81/p?n={n}"));
        assert!(!head.headers().contains_key("connection") && !head.headers().contains_key("host"));
    }
}

#[test]
fn an_untranslatable_request_is_an_error_before_the_load() {
    let server = Http2Server::answering(|_, _| Answer::Ok);
    let text = r#"function request() return "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n" end"#;
    let plan = LoadPlan::new(LoadSettings { script: script(text), ..settings(&server) }).unwrap();
    let error = PreparedLoad::new(plan, None).err().unwrap().to_string();
    insta::assert_snapshot!(error, @"test.lua: request() returned a request that HTTP/2 cannot carry, `CONNECT h:1 HTTP/1.1`: CONNECT is not supported: it opens a tunnel and gets no response to measure");
}

#[test]
fn http2_conflicts_with_other_ways_to_handle_busy_connections() {
    let server = Http2Server::answering(|_, _| Answer::Ok);
    for when_busy in [WhenBusy::Open, WhenBusy::Pipeline] {
        let refused = LoadPlan::new(LoadSettings { when_busy, ..settings(&server) }).unwrap_err();
        assert!(matches!(refused, PlanError::Conflict { option: "http2", .. }), "{refused}");
    }
    for (connections, streams) in [(1, 0), (1, 70_000), (1000, 1001)] {
        let refused = LoadPlan::new(LoadSettings { connections, streams, ..settings(&server) }).unwrap_err();
        assert!(matches!(refused, PlanError::Range { option: "streams", .. }), "{refused}");
    }
}

#[test]
fn every_request_is_accounted_for_whatever_the_server_does() {
    let server = Http2Server::answering(|connection, request| match (connection + request) % 23 {
        3 => Answer::Reset,
        5 => Answer::ResetInTheMiddle,
        7 => Answer::Never,
        11 => Answer::OkAndGoAway,
        13 => Answer::Break,
        17 => Answer::Close,
        19 => Answer::After(Duration::from_millis(20)),
        _ => Answer::Ok,
    });
    for choice in 0..16 {
        let pick = |bit: u32| choice >> bit & 1 == 1;
        let settings = LoadSettings {
            threads: 2,
            connections: 3,
            streams: if pick(0) { 2 } else { 30 },
            rate: 600.0.into(),
            duration: Time::from_millis(150),
            drain: Time::from_millis(60),
            timeout: Time::from_millis(15),
            on_timeout: if pick(1) { OnTimeout::Abandon } else { OnTimeout::Wait },
            retries: Retries { count: if pick(2) { 3 } else { 0 }, backoff: Time::from_millis(2) },
            ..settings(&server)
        };
        // `run_until` checks the account.
        let stop = pick(3).then(|| Duration::from_millis(5 * choice));
        let (result, _) = run_until(settings, stop);
        assert!(stop.is_some() || result.account().scheduled == 90);
    }
}
