//! The generator against real servers, most of which misbehave: every scheduled request is accounted for, errors are
//! classified, and nothing hangs.

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use metawrk::load::plan::{OnTimeout, Retries, WhenBusy};
use metawrk::load::{LoadError, LoadPlan, LoadSettings, PreparedLoad};
use metawrk::record::{Clock, Outcome, RequestRecord};
use metawrk::script::Script;
use metawrk::units::{self, Time};
use support::load::{run, run_until, settings};
use support::{OK, Peer, Server};

#[test]
fn a_healthy_server_gets_all_requests_unchanged() {
    let server = Server::answering(OK);
    let (result, records) = run(settings(&server));
    let account = result.account();
    assert_eq!((account.scheduled, account.answered, account.attempts), (60, 60, 60));
    assert_eq!(account.bytes, 60 * OK.len() as u64);
    let mut due: Vec<u64> = records.iter().map(|r| r.due.0).collect();
    due.sort_unstable();
    assert_eq!(due, (0..60).map(|i| i * 5_000_000).collect::<Vec<_>>());
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 60);
    let expected = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    assert!(requests.iter().all(|bytes| bytes == expected.as_bytes()));
    assert!(result.latencies().response.len() == 60 && result.latencies().send_lag.len() == 60);
}

#[test]
fn after_each_close_by_the_server_a_new_connection_is_opened() {
    let server = Server::start(|mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    });
    let (result, _) = run(settings(&server));
    let account = result.account();
    assert_eq!(account.answered + account.unsent, 60);
    assert!(account.answered > 40 && result.generator().connections_opened >= account.answered);
}

#[test]
fn the_end_of_chunked_and_close_delimited_responses_is_found() {
    let server = Server::start(|mut peer| {
        peer.request();
        if peer.number % 2 == 0 {
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
            peer.swallow();
        } else {
            peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it");
        }
    });
    let (result, _) = run(LoadSettings { when_busy: WhenBusy::Open, ..settings(&server) });
    let account = result.account();
    assert!(account.answered > 4, "{account:?}");
    assert_eq!(account.errors.read, 0);
}

#[test]
fn a_reset_is_a_read_error_and_the_connection_is_opened_again() {
    let server = Server::start(|mut peer| {
        peer.request();
        peer.reset();
    });
    let (result, _) = run(settings(&server));
    let account = result.account();
    assert_eq!(account.answered, 0);
    assert!(account.errors.read > 4, "{account:?}");
    assert_eq!(account.failed, account.errors.read + account.errors.write);
    assert_eq!(result.latencies().response.len(), account.lower_bounds, "a failure has no response time");
}

#[test]
fn a_response_that_is_not_http_is_a_read_error() {
    for garbage in [
        &b"garbage\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let server = Server::answering(garbage);
        let (result, _) = run(settings(&server));
        assert!(result.account().errors.read > 4, "{:?}", result.account());
        assert_eq!(result.account().answered, 0);
    }
}

#[test]
fn endless_headers_are_a_read_error() {
    let server = Server::start(|mut peer: Peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\n");
        while peer.send(&[b'x'; 16 * 1024]) {}
    });
    let (result, _) = run(settings(&server));
    assert!(result.account().errors.read > 4, "{:?}", result.account());
}

#[test]
fn a_second_response_to_one_request_closes_the_connection() {
    let server = Server::start(|mut peer| while peer.request().is_some() && peer.send(&[OK, OK].concat()) {});
    let (result, _) = run(settings(&server));
    assert!(result.account().answered > 4);
    assert!(result.threads.iter().map(|t| t.unsolicited).sum::<u64>() > 4);
}

#[test]
fn requests_to_a_silent_server_are_unanswered_or_unsent_and_time_out_once() {
    let server = Server::start(|mut peer| peer.swallow());
    let settings = LoadSettings { timeout: Time::from_millis(50), drain: Time::from_millis(100), ..settings(&server) };
    let (result, records) = run(settings);
    let account = result.account();
    assert_eq!((account.scheduled, account.unanswered, account.unsent), (60, 4, 56));
    assert_eq!(account.errors.timeout, 4, "one per request that reached it");
    assert_eq!(result.latencies().response.len(), 60, "their waits count as lower bounds");
    assert_eq!(result.latencies().service.len(), 0);
    assert!(records.iter().all(|r| r.is_lower_bound()));
    assert!(result.generator().bound_reached);
}

#[test]
fn abandoned_attempts_fail_and_are_retried() {
    let server = Server::start(|mut peer| peer.swallow());
    let settings = LoadSettings {
        rate: 50.0.into(),
        when_busy: WhenBusy::Open,
        timeout: Time::from_millis(20),
        on_timeout: OnTimeout::Abandon,
        retries: Retries { count: 2, backoff: Time::from_millis(1) },
        drain: Time::from_secs(5),
        ..settings(&server)
    };
    let (result, records) = run(settings);
    let account = result.account();
    // On a busy machine the last requests may stay unsent.
    assert_eq!((account.scheduled, account.failed + account.unsent, account.attempts), (15, 15, 3 * account.failed));
    assert!(account.failed >= 10, "{account:?}");
    let sent: Vec<_> = records.iter().filter(|r| r.outcome() != Some(Outcome::Unsent)).collect();
    assert!(sent.iter().all(|r| r.outcome() == Some(Outcome::Abandoned) && r.timed_out()));
    assert!(sent.iter().all(|r| r.is_last() == (r.attempt == 2)));
    assert!(sent.iter().all(|r| r.end.since(r.due) >= Time::from_millis(20)));
}

#[test]
fn a_failed_request_can_succeed_after_a_retry() {
    // Every other connection answers 503.
    let server = Server::start(|mut peer| {
        let bad = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        peer.request();
        peer.send(if peer.number % 2 == 0 { bad } else { b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" });
    });
    let settings = LoadSettings { retries: Retries { count: 20, backoff: Time::ZERO }, ..settings(&server) };
    let (result, records) = run(settings);
    let account = result.account();
    assert_eq!((account.scheduled, account.answered), (60, 60));
    assert!(account.attempts > 60 && account.errors.status == account.attempts - 60, "{account:?}");
    assert!(records.iter().filter(|r| r.is_last()).all(|r| r.status == 200));
}

#[test]
fn an_open_system_opens_a_connection_for_each_request_that_finds_none_free() {
    let server = Server::start(|mut peer| peer.swallow());
    // On a busy machine the last connection is up after the end of arrivals.
    let settings = LoadSettings { when_busy: WhenBusy::Open, drain: Time::from_secs(1), ..settings(&server) };
    let (result, _) = run(settings);
    assert_eq!((result.account().scheduled, result.account().unanswered), (60, 60));
    // One more is the connection before the load.
    assert_eq!(server.connections.load(Ordering::SeqCst), 61);
}

#[test]
fn an_open_system_waits_at_its_limit() {
    let server = Server::start(|mut peer| peer.swallow());
    let settings =
        LoadSettings { when_busy: WhenBusy::Open, max_connections: 10, drain: Time::ZERO, ..settings(&server) };
    let (result, _) = run(settings);
    assert_eq!((result.account().unanswered, result.account().unsent), (10, 50));
    assert!(result.generator().bound_reached);
}

#[test]
fn a_stop_ends_the_load_at_once_with_a_complete_account() {
    let server = Server::answering(OK);
    let settings = LoadSettings { duration: Time::from_secs(3600), ..settings(&server) };
    let prepared = PreparedLoad::new(LoadPlan::new(settings).unwrap(), None).unwrap();
    let running = prepared.start(Clock::starting_in(Time::ZERO));
    let began = Instant::now();
    while running.live().iter().map(|live| live.sent()).sum::<u64>() < 20 {
        assert!(began.elapsed() < Duration::from_secs(20), "no load");
        std::thread::yield_now();
    }
    running.control().stop();
    let result = running.finish().unwrap();
    let account = result.account();
    assert!(account.balances() && account.answered >= 18, "{account:?}");
    assert!(result.duration() < Time::from_secs(3600));
}

#[test]
fn after_the_end_of_arrivals_requests_in_flight_finish() {
    let server = Server::start(|mut peer| {
        while peer.request().is_some() {
            std::thread::sleep(Duration::from_millis(50));
            peer.send(OK);
        }
    });
    let settings = LoadSettings { duration: Time::from_secs(3600), ..settings(&server) };
    let running =
        PreparedLoad::new(LoadPlan::new(settings).unwrap(), None).unwrap().start(Clock::starting_in(Time::ZERO));
    while running.live().iter().map(|live| live.sent()).sum::<u64>() < 4 {
        std::thread::yield_now();
    }
    running.control().end_arrivals();
    let account = running.finish().unwrap().account();
    assert_eq!((account.unanswered, account.balances()), (0, true), "{account:?}");
}

#[test]
fn a_script_error_during_the_run_ends_all_threads() {
    let server = Server::answering(OK);
    let text = "n = 0\nfunction request() n = n + 1\n if n > 10 then error('boom') end return wrk.format() end";
    let script = Script { name: "boom.lua".into(), text: text.into() };
    let settings = LoadSettings { script: Some(script), duration: Time::from_secs(3600), ..settings(&server) };
    let (result, _) = run(settings);
    assert_eq!(result.failure().unwrap().to_string(), "boom.lua:3: boom");
    assert!((10..=25).contains(&result.account().answered), "{:?}", result.account());
}

#[test]
fn a_script_gets_the_responses() {
    let server = Server::answering(b"HTTP/1.1 201 Made\r\nX-Next: /b\r\nContent-Length: 3\r\n\r\nabc");
    let text = "function response(status, headers, body)
        assert(status == 201 and headers['X-Next'] == '/b' and body == 'abc'); wrk.path = '/b' end
        function request() return wrk.format() end";
    let script = Script { name: "follow.lua".into(), text: text.into() };
    let (result, _) = run(LoadSettings { script: Some(script), ..settings(&server) });
    assert!(result.failure().is_none(), "{:?}", result.failure());
    let requests = server.requests.lock().unwrap();
    assert!(requests.iter().filter(|bytes| bytes.starts_with(b"GET /b ")).count() >= 50);
}

#[test]
fn nothing_is_sent_without_a_target_or_with_a_bad_script() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = LoadPlan::new(LoadSettings::new(format!("http://{closed}/"), 10.0)).unwrap();
    let error = PreparedLoad::new(refused, None).err().unwrap();
    assert_eq!(error.to_string(), format!("unable to connect to 127.0.0.1:{} Connection refused", closed.port()));

    let server = Server::answering(OK);
    let script = Script { name: "bad.lua".into(), text: "request = 5".into() };
    let plan = LoadPlan::new(LoadSettings { script: Some(script), ..settings(&server) }).unwrap();
    assert!(matches!(PreparedLoad::new(plan, None), Err(LoadError::Script(_))));
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn a_connection_is_opened_again_after_its_request_was_abandoned() {
    // After the connection before the load, the first two are silent, and all others answer.
    let server = Server::start(|mut peer| {
        if (1..=2).contains(&peer.number) {
            peer.swallow();
        }
        while peer.request().is_some() && peer.send(OK) {}
    });
    let settings = LoadSettings {
        threads: 1,
        connections: 2,
        timeout: Time::from_millis(30),
        on_timeout: OnTimeout::Abandon,
        drain: Time::from_secs(1),
        ..settings(&server)
    };
    let (result, _) = run(settings);
    let account = result.account();
    assert_eq!((account.failed, account.unanswered), (2, 0), "{account:?}");
    assert!(account.answered > 40, "{account:?}");
}

#[test]
fn a_client_that_abandons_a_request_reconnects_at_once() {
    let server = Server::start(|mut peer| peer.swallow());
    let settings = LoadSettings {
        threads: 1,
        connections: 1,
        duration: Time::from_millis(500),
        timeout: Time::from_millis(20),
        on_timeout: OnTimeout::Abandon,
        ..settings(&server)
    };
    let (result, _) = run(settings);
    // 25 at best. With a growing wait between connections it would be 8.
    assert!(result.account().attempts >= 12, "{:?}", result.account());
}

#[test]
fn a_short_timeout_is_applied_in_time() {
    let server = Server::start(|mut peer| peer.swallow());
    let settings = LoadSettings {
        threads: 1,
        rate: 20.0.into(),
        when_busy: WhenBusy::Open,
        timeout: Time::from_millis(10),
        on_timeout: OnTimeout::Abandon,
        ..settings(&server)
    };
    let (_, records) = run(settings);
    let mut waited: Vec<u64> = records.iter().map(|r| r.end.since(r.sent).0).collect();
    waited.sort_unstable();
    assert!(waited[waited.len() / 2] < 40_000_000, "{waited:?}");
}

#[test]
fn a_run_ends_with_its_last_response_even_without_a_connection() {
    // It closes the connection after its answer, and does not listen any more by then.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        drop(listener.accept());
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        std::io::Read::read(&mut stream, &mut [0; 1024]).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    });
    let settings = LoadSettings {
        threads: 1,
        connections: 1,
        duration: Time::from_millis(100),
        drain: Time::from_secs(20),
        ..LoadSettings::new(url, 10.0)
    };
    let (result, _) = run(settings);
    assert_eq!(result.account().answered, 1);
    assert!(result.threads[0].ended < units::Instant(10_000_000_000), "{}", result.threads[0].ended);
}

#[test]
fn a_slow_script_is_send_lag_on_new_connections_too() {
    let server = Server::start(|mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n");
    });
    let text = "function request() require('socket').sleep(0.02) return wrk.format() end";
    let settings = LoadSettings {
        threads: 1,
        connections: 1,
        rate: 20.0.into(),
        script: Some(Script { name: "slow.lua".into(), text: text.into() }),
        when_busy: WhenBusy::Open,
        ahead: false,
        ..settings(&server)
    };
    let (_, records) = run(settings);
    // The first request was built before the start.
    let lags: Vec<u64> = records[1..].iter().filter_map(RequestRecord::send_lag).map(|lag| lag.0).collect();
    assert!(lags.len() > 2 && lags.iter().all(|&lag| lag >= 20_000_000), "{lags:?}");
}

#[test]
fn every_request_is_accounted_for_whatever_the_server_does() {
    let server = Server::start(|mut peer| {
        for answer in peer.number.. {
            if peer.request().is_none() {
                return;
            }
            match answer % 7 {
                0..=2 => peer.send(OK),
                3 => peer.send(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
                4 => {
                    peer.send(b"HTTP/1.1 200 OK\r\n\r\nto the end");
                    return;
                }
                5 => return peer.reset(),
                _ => return peer.swallow(),
            };
        }
    });
    let text = "function response() n = (n or 0) + 1; if n > 20 then error('enough') end end";
    let raises = Script { name: "raises.lua".into(), text: text.into() };
    for choice in 0..32 {
        let pick = |bit: u32| choice >> bit & 1 == 1;
        let settings = LoadSettings {
            rate: 500.0.into(),
            duration: Time::from_millis(100),
            drain: Time::from_millis(if pick(4) { 60 } else { 0 }),
            when_busy: if pick(0) { WhenBusy::Open } else { WhenBusy::Wait },
            max_connections: 20,
            timeout: Time::from_millis(15),
            on_timeout: if pick(1) { OnTimeout::Abandon } else { OnTimeout::Wait },
            retries: Retries { count: if pick(2) { 3 } else { 0 }, backoff: Time::from_millis(2) },
            script: (choice % 5 == 0).then(|| raises.clone()),
            warmup: Time::from_millis(20),
            ..settings(&server)
        };
        // `run_until` checks the account.
        let stop = pick(3).then(|| Duration::from_millis(3 * choice));
        let (result, _) = run_until(settings, stop);
        assert!(result.account().scheduled <= 50);
        assert!(stop.is_some() || result.failure().is_some() || result.account().scheduled == 50);
    }
}

/// The causes of a run's errors, by name.
fn causes(result: &metawrk::load::LoadResult) -> Vec<(&'static str, u64)> {
    let causes = result.generator().causes.sorted();
    causes.iter().map(|one| (one.cause.name(), one.count)).collect()
}

#[test]
fn each_error_is_counted_under_its_cause() {
    let reset: fn(Peer) = |mut peer| {
        peer.request();
        peer.reset();
    };
    let close: fn(Peer) = |mut peer| drop(peer.request());
    let cut: fn(Peer) = |mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
    };
    let http2: fn(Peer) = |mut peer| {
        peer.request();
        peer.send(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d");
        peer.swallow();
    };
    let endless_head: fn(Peer) = |mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\n");
        while peer.send(&[b'x'; 16 * 1024]) {}
    };
    for (server, cause, example) in [
        (reset, "reset", "Connection reset by peer"),
        (close, "closed-early", "the connection closed before the response was complete"),
        (cut, "closed-early", "the connection closed before the response was complete"),
        (http2, "not-http1", "an HTTP/2 frame: the port speaks HTTP/2"),
        (endless_head, "limit", "a head of more than 128 KiB"),
    ] {
        let (result, _) = run(settings(&Server::start(server)));
        let errors = result.account().errors;
        assert_eq!(causes(&result), [(cause, errors.read + errors.write)], "{example}");
        assert_eq!(result.generator().causes.sorted()[0].example, example);
    }
}

#[test]
fn a_server_that_keeps_few_connections_is_told_from_busy_ones() {
    let kept = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Server::start(move |mut peer| {
        if peer.number > 0 && kept.fetch_add(1, Ordering::SeqCst) >= 2 {
            return;
        }
        while peer.request().is_some() {
            std::thread::sleep(Duration::from_millis(20));
            peer.send(OK);
        }
    });
    let settings = LoadSettings { threads: 1, connections: 20, rate: 400.0.into(), ..settings(&server) };
    let (result, _) = run(settings);
    let own = result.generator();
    assert!(own.connections_unused >= 18 && own.connections_up_mean < 18.0, "{own:?}");
    assert!(own.connections_established > own.connections_planned, "{own:?}");
}

/// Answers the first request of each connection, and closes it when the second one arrives.
fn closing_at_the_second_request() -> Server {
    Server::start(|mut peer| {
        if peer.request().is_some() && peer.send(OK) {
            peer.request();
        }
    })
}

#[test]
fn a_request_that_meets_a_connection_closed_while_idle_goes_again() {
    let server = closing_at_the_second_request();
    let (result, records) = run(settings(&server));
    let (account, own) = (result.account(), result.generator());
    assert_eq!((account.failed, account.errors.read, account.errors.write), (0, 0, 0), "{account:?} {own:?}");
    assert!(account.answered > 40 && own.sent_again > 10, "{account:?} {own:?}");
    assert_eq!(account.attempts, account.answered, "no attempt is counted twice");
    assert!(own.causes.is_empty() && records.iter().all(|r| r.attempt == 0));
}

#[test]
fn a_post_that_was_sent_does_not_go_again() {
    let server = closing_at_the_second_request();
    let script = "wrk.method = 'POST'; wrk.body = 'x'";
    let (result, _) = run(support::load::scripted(&server, script));
    assert!(result.account().errors.read > 4, "{:?}", result.account());
    assert_eq!((result.generator().sent_again, causes(&result)[0].0), (0, "closed-early"));
}

#[test]
fn a_request_goes_again_only_once() {
    // Connections answer the first request or none.
    let server = Server::start(|mut peer| {
        if peer.request().is_some() && peer.number % 2 == 1 && peer.send(OK) {
            peer.request();
        }
    });
    let settings = LoadSettings { threads: 1, connections: 1, ..settings(&server) };
    let (result, _) = run(settings);
    let (account, own) = (result.account(), result.generator());
    assert!(account.answered > 4 && account.errors.read > 4 && own.sent_again > 4, "{account:?} {own:?}");
    assert_eq!(account.failed, account.errors.read);
}

#[test]
fn an_answer_before_the_whole_request_ends_it_and_its_connection() {
    let server = Server::start(|mut peer| {
        std::io::Read::read(&mut peer.stream, &mut [0]).unwrap();
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
        // It reads no more, and keeps the connection open.
        std::thread::sleep(Duration::from_secs(60));
    });
    let text = "wrk.method = 'POST'; wrk.body = string.rep('x', 20000000)";
    let settings =
        LoadSettings { rate: 20.0.into(), drain: Time::from_secs(20), ..support::load::scripted(&server, text) };
    let (result, records) = run(settings);
    let account = result.account();
    assert_eq!((account.scheduled, account.answered), (6, 6), "{account:?}");
    assert!(records.iter().all(|r| r.status == 413));
    assert!(result.generator().connections_opened >= 6);
}

#[test]
fn a_script_gets_folded_lines_trailers_and_all_values_of_a_header() {
    let server = Server::answering(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Fold: one\r\n two\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: t\r\n\r\n",
    );
    let text = "function response(status, headers, body, all)
        assert(headers['Set-Cookie'] == 'b=2' and table.concat(all('set-cookie'), ';') == 'a=1;b=2')
        assert(headers['X-Fold'] == 'one two' and headers['X-T'] == 't' and body == 'ok') end";
    let (result, _) = run(support::load::scripted(&server, text));
    assert!(result.failure().is_none(), "{:?}", result.failure());
    assert!(result.account().answered > 40, "{:?}", result.account());
}
