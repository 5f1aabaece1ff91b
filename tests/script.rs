//! Scripts in a run: `setup` before it, the functions of the threads during it, and `done` after it.

mod support;

use metawrk::load::{DoneArguments, LoadPlan, LoadSettings, PreparedLoad};
use metawrk::record::Clock;
use metawrk::script::DoneSummary;
use metawrk::units::Time;
use support::load::{run, scripted};
use support::program::{self, WRK2};
use support::{OK, Server};

fn done_arguments(answered: u64) -> DoneArguments {
    let summary = DoneSummary { requests: answered, ..DoneSummary::default() };
    DoneArguments { summary, latency: metawrk::stats::latency_histogram(), rates: Vec::new() }
}

#[test]
fn setup_reaches_every_thread_and_done_reads_their_variables() {
    let server = Server::answering(OK);
    let text = r#"
        local threads = {}
        function setup(thread)
            threads[#threads + 1] = thread
            thread:set("number", #threads)
            assert(thread:get("number") == #threads and thread:get("nothing") == nil)
        end
        function init(args) requests = 0; path = "/" .. number end
        function request() requests = requests + 1; return wrk.format("GET", path) end
        function response() answers = (answers or 0) + 1 end
        function done(summary, latency, requests)
            local sum = 0
            for i, thread in ipairs(threads) do
                assert(thread:get("number") == i)
                sum = sum + thread:get("answers")
            end
            assert(sum == summary.requests, sum)
            error("all is well")
        end"#;
    let (mut result, _) = run(scripted(&server, text));
    let answered = result.account().answered;
    let error = result.run_done(done_arguments(answered)).unwrap_err();
    assert!(error.to_string().ends_with("all is well (in done)"), "{error}");
    let requests = server.requests.lock().unwrap();
    let to = |path: &str| requests.iter().filter(|bytes| bytes.starts_with(format!("GET {path} ").as_bytes())).count();
    assert_eq!((to("/1"), to("/2"), answered), (30, 30, 60));
}

#[test]
fn setup_can_set_the_address_of_each_thread() {
    let (one, other) = (Server::answering(OK), Server::answering(OK));
    let text = format!(
        "local n = 0
        function setup(thread) n = n + 1; if n == 2 then thread.addr = '{}' end end",
        other.address
    );
    let (result, _) = run(scripted(&one, &text));
    assert_eq!(result.account().answered, 60);
    assert_eq!(one.requests.lock().unwrap().len(), 30);
    assert_eq!(other.requests.lock().unwrap().len(), 30);
}

#[test]
fn an_address_that_request_sets_is_that_of_this_request() {
    use metawrk::load::plan::WhenBusy;
    let (one, other) = (Server::answering(OK), Server::answering(OK));
    let text = format!(
        "local addresses, n = {{ '{}', '{}' }}, 0
        function request()
            n = n + 1
            wrk.thread.addr = addresses[n % 2 + 1]
            return wrk.format('GET', '/' .. n % 2 + 1)
        end",
        one.address, other.address
    );
    for when_busy in [WhenBusy::Wait, WhenBusy::Open] {
        for ahead in [true, false] {
            [&one, &other].iter().for_each(|server| server.requests.lock().unwrap().clear());
            let settings = LoadSettings { when_busy, ahead, ..scripted(&one, &text) };
            let account = run(settings).0.account();
            // On a busy machine no connection may be open at the end.
            assert_eq!(
                (account.answered + account.unsent, account.answered > 30),
                (60, true),
                "{when_busy:?}: {account:?}"
            );
            for (server, path) in [(&one, b"GET /1 "), (&other, b"GET /2 ")] {
                let requests = server.requests.lock().unwrap();
                assert!(!requests.is_empty() && requests.iter().all(|bytes| bytes.starts_with(path)), "{requests:?}");
            }
        }
    }
}

#[test]
fn a_thread_stops_after_the_request_that_stops_it() {
    let server = Server::answering(OK);
    let text = "local n = 0
        function request() n = n + 1; if n == 5 then wrk.thread:stop() end; return wrk.format() end";
    for ahead in [true, false] {
        let (result, _) = run(LoadSettings { ahead, duration: Time::from_secs(600), ..scripted(&server, text) });
        assert_eq!(result.account().answered, 10, "five of each thread");
        assert!(result.duration() < Time::from_secs(30));
    }
}

#[test]
fn a_thread_stops_with_the_response_that_stops_it() {
    let server = Server::answering(OK);
    let text = "local n = 0
        function response() n = n + 1; if n == 5 then wrk.thread:stop() end end";
    let settings =
        LoadSettings { threads: 1, connections: 1, duration: Time::from_secs(600), ..scripted(&server, text) };
    assert_eq!(run(settings).0.account().answered, 5);
}

#[test]
fn a_thread_that_stops_does_not_send_its_delayed_requests() {
    let server = Server::answering(OK);
    let text = "local n = 0
        function delay() n = n + 1; if n == 5 then wrk.thread:stop() end; return 50 end";
    let settings = LoadSettings { threads: 1, duration: Time::from_secs(600), ..scripted(&server, text) };
    let account = run(settings).0.account();
    assert_eq!((account.scheduled, account.answered + account.unsent), (5, 5));
}

#[test]
fn a_thread_that_setup_stops_sends_no_request() {
    let server = Server::answering(OK);
    let text = "local n = 0 function setup(thread) n = n + 1; if n == 1 then thread:stop() end end";
    let (result, _) = run(scripted(&server, text));
    assert_eq!((result.threads[0].account.scheduled, result.threads[1].account.answered), (0, 30));
}

#[test]
fn a_script_that_never_returns_is_left_behind_and_everything_is_accounted_for() {
    let server = Server::answering(OK);
    let stuck = "n = n + 1 while n == 5 do end";
    for (text, sent) in [
        (format!("function request() {stuck} return wrk.format() end"), 4),
        (format!("function delay() {stuck} return 0 end"), 4),
        // The response was complete.
        (format!("function response() {stuck} end"), 5),
    ] {
        let text = format!(
            "local threads = 0 function setup(t) threads = threads + 1 t:set('n', threads == 1 and 0 or 9) end {text}"
        );
        let (mut result, records) = run(LoadSettings { ahead: false, connections: 2, ..scripted(&server, &text) });
        let account = result.account();
        let stuck = result.threads[0].account;
        // It sends so many, or less if the machine is busy.
        assert_eq!((stuck.scheduled, stuck.answered + stuck.unanswered + stuck.unsent), (30, 30), "{account:?}");
        assert!((1..=sent).contains(&(stuck.answered + stuck.unanswered)), "{text}: {account:?}");
        assert_eq!(result.generator().script_unsent, stuck.unsent);
        assert_eq!(records.len(), 60);
        let failure = result.failure().unwrap().to_string();
        assert!(failure.starts_with("test.lua: the script of thread 0 did not return"), "{failure}");
        assert!(result.run_done(done_arguments(0)).is_ok(), "it cannot be asked any more");
    }
}

#[test]
fn a_script_without_memory_is_an_error_with_its_line() {
    // The limit is that of a process of its own.
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let grow = "for i = 1, 1e9 do t[#t + 1] = string.rep(string.char(65 + i % 26), 1024 * 1024) .. i end";
    let small = "for i = 1, 1e9 do t[#t + 1] = { i } end";
    for (text, line, report) in [
        (format!("local t = {{}}\n{grow}"), ":2: ", false),
        (
            format!(
                "local t, n = {{}}, 0\nfunction request()\n n = n + 1\n if n > 5 then\n {grow}\n end\n return wrk.format()\nend"
            ),
            ":5: ",
            true,
        ),
        (
            format!("local t, n = {{}}, 0\nfunction response()\n n = n + 1\n if n > 5 then\n {small}\n end\nend"),
            ":5: ",
            true,
        ),
    ] {
        std::fs::write(dir.path().join("hog.lua"), text).unwrap();
        let command = format!("ulimit -v 700000; exec {WRK2} -t1 -c1 -d1 --drain 1m -R50 -s hog.lua {}", server.url());
        let ended = program::run("sh", dir.path(), &["-c", &command]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(&format!("hog.lua{line}not enough memory")), "{ended:?}");
        assert_eq!(ended.out.contains(" answered + 0 failed + "), report, "{ended:?}");
    }
}

#[test]
fn a_delayed_request_keeps_its_due_time() {
    let server = Server::answering(OK);
    let text = "function delay() return 40 end function request() return wrk.format() end";
    let (result, records) = run(scripted(&server, text));
    assert_eq!(result.account().answered, 60);
    assert!(
        records.iter().all(|record| record.ready == record.due.plus(Time::from_millis(40))),
        "the delay is not send lag"
    );
    assert!(result.latencies().response.min() >= 40_000);
}

#[test]
fn requests_that_the_script_puts_off_beyond_the_end_are_its_own_doing() {
    let server = Server::answering(OK);
    let (result, _) = run(scripted(&server, "function delay() return 60000 end"));
    assert_eq!((result.account().unsent, result.generator().script_unsent), (60, 60));
}

#[test]
fn an_error_in_setup_init_or_delay_names_the_script() {
    let server = Server::answering(OK);
    for (text, says) in [
        ("function setup(thread) error('no') end", "test.lua:1: no"),
        ("\nfunction init(args) error('no') end", "test.lua:2: no"),
        ("function setup(thread) thread:set('f', print) end", "test.lua:1: "),
    ] {
        let plan = LoadPlan::new(scripted(&server, text)).unwrap();
        let error = PreparedLoad::new(plan, None).err().unwrap().to_string();
        assert!(error.starts_with(says), "{error}");
    }
    let text = "\n\nfunction delay() error('no') end";
    let running = PreparedLoad::new(LoadPlan::new(scripted(&server, text)).unwrap(), None).unwrap();
    let result = running.start(Clock::starting_in(Time::ZERO)).finish().unwrap();
    assert_eq!(result.failure().unwrap().to_string(), "test.lua:3: no (in delay)");
    assert!(result.account().balances());
}
