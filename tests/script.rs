//! Scripts in a run: `setup` before it, the functions of the threads during it, and `done` after it.

mod support;

use metawrk::load::{DoneArguments, LoadPlan, LoadSettings, PreparedLoad};
use metawrk::record::Clock;
use metawrk::script::DoneSummary;
use metawrk::units::Time;
use support::load::{run, scripted};
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
