//! The command lines as users type them, valid and invalid: messages, exit codes and output files.

mod support;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::program::{METAWRK, WRK2, assert_refused, eventually, run, run_on_terminal, started};
use support::results::{contents, create_results};
use support::{OK, Server};

const TARGET: &str = "name = \"t\"\n[target]\nurl = \"URL\"\n[load]\nrate = 100\nthreads = 1\nconnections = 2\n\
                      [phases]\nwarmup = \"0s\"\nbaseline = \"5s\"\nduration = \"5s\"\n";

#[test]
fn wrk2_refuses_invalid_arguments() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.lua"), "function request( return").unwrap();
    let server = Server::answering(OK);
    for (args, message) in [
        (&["-R10", "-t0"][..], "`0` is not a count"),
        (&["-R10", "-t", "x"], "`x` is not a count"),
        (&["-R10", "-t5", "-c2"], "number of connections must be >= threads"),
        (&["-R10", "-c1G"], "--connections must be at most"),
        (&["-R10", "-d0"], "--duration must be above 0"),
        (&["-R10", "-d", "long"], "`long` is not a time"),
        (&["-R10", "-d9000h"], "--duration must be above 0 and at most 8784h"),
        (&["-R0"], "rate must be above 0"),
        (&["-R1e12"], "`1e12` is not a number"),
        (&["-R1000G"], "rate must be above 0 and at most"),
        (&["-R1G", "-Dexp"], "--rate must be at most 100M requests/s with random gaps, not 1000000000"),
        (&["-R100-200"], "`100-200` is not a number"),
        (&["-R100,200@5s"], "`100` has no duration, but another rate follows"),
        (&["-R100@10s,200"], "rate `200` begins at 10s, but the run ends at 10s"),
        (&["-R10", "-D", "even"], "invalid value 'even' for '--dist <HOW>'"),
        (&["-R10", "-T0"], "--timeout must be above 0"),
        (&["-R10", "-H", "nonsense"], "invalid header `nonsense`. Write -H \"Name: value\"."),
        (&["-R10", "-H", ": x"], "invalid header `: x`"),
        (&["-R10", "-s", "none.lua"], "cannot read the script none.lua"),
        (&["-R10", "-s", "."], "cannot read the script ."),
        (&["-R10", "-s", "bad.lua"], "bad.lua:1: "),
        (&["-R10", "--bogus"], "--bogus"),
        (&[], "Throughput MUST be specified with the --rate or -R option"),
    ] {
        assert_refused(WRK2, dir.path(), &[args, &[&server.url()]].concat(), message);
    }
    assert_refused(WRK2, dir.path(), &["-R10"], "<URL>");
    assert_refused(WRK2, dir.path(), &["-R10", "there"], "invalid URL: there");
    assert_refused(METAWRK, dir.path(), &["load", "-R10", "ftp://x/"], "invalid URL");
    assert_refused(WRK2, dir.path(), &["-R10", "http://x:0/"], "the port must be a number from 1 to 65535");
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn help_version_and_generated_texts_need_no_url() {
    let dir = tempfile::tempdir().unwrap();
    for (program, args, message) in [
        (WRK2, &["-v"][..], "wrk2 "),
        (WRK2, &["--version"], "wrk2 "),
        (WRK2, &["--help"], "Usage: wrk2 -R <N> [OPTIONS] <URL>..."),
        (WRK2, &["--generate", "man"], ".TH wrk2 1"),
        (WRK2, &["--generate", "complete-fish"], "complete -c wrk2"),
        (METAWRK, &["load", "-v"], "metawrk "),
        (METAWRK, &["load", "-h"], "Usage: metawrk load -R <N> [OPTIONS] <URL>..."),
        (METAWRK, &["--generate=man"], ".TH metawrk 1"),
        (METAWRK, &["--generate", "complete-bash"], "complete -F _metawrk"),
        (METAWRK, &["--generate", "complete-zsh"], "#compdef metawrk"),
    ] {
        let ended = run(program, dir.path(), args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(ended.out.contains(message), "{args:?}: {}", ended.out);
    }
    assert_refused(WRK2, dir.path(), &[], "Usage: wrk2");
    assert_refused(METAWRK, dir.path(), &[], "Usage: metawrk");
    assert_refused(METAWRK, dir.path(), &["load"], "<URL>");
}

#[test]
fn several_urls_are_loaded_concurrently_and_have_one_report() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::answering(OK), Server::answering(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")];
    let urls = servers.each_ref().map(Server::url);
    let ended = run(WRK2, dir.path(), &["-t1", "-c4", "-d1", "-R100", "-Sr", &urls[0], &urls[1]]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for server in &servers {
        assert_eq!(server.requests.lock().unwrap().len(), 100);
    }
    let mut at = 0;
    for message in [
        &format!("Running 1s test @ {}\n  1 threads and 4 connections\n\n", urls[0]),
        &format!("Running 1s test @ {}\n  1 threads and 4 connections\n\n", urls[1]),
        &format!("Test Results @ {} \nSent 100 requests\n\n  Thread Stats   Avg      Stdev     99%", urls[0]),
        "  100 requests in 1.00s, ",
        &format!("Test Results @ {} \nSent 100 requests\n", urls[1]),
        "  Non-2xx or 3xx responses: 100\n",
        "Overall Statistics",
        "Sent 200 requests\n",
        "  scheduled   200 = 200 answered",
        "  Overall 200 requests in 1.00s, ",
        "Requests/sec:    200.00\n",
    ] {
        let found = ended.out[at..].find(message);
        at += found.unwrap_or_else(|| panic!("{message} is missing or too early: {}", ended.out));
    }
    let ended = run(WRK2, dir.path(), &["-d100ms", "-R100", &urls[0], &urls[1]]);
    assert!(ended.out.contains("Overall") && !ended.out.contains("Test Results"), "{ended:?}");
}

#[test]
fn a_script_error_for_one_url_ends_all_loads() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::answering(OK), Server::answering(OK)];
    let urls = servers.each_ref().map(Server::url);
    let fails = format!(
        "n = 0 function request() n = n + 1 if n > 5 and tonumber(wrk.port) == {} then error('enough') end return wrk.format() end",
        servers[1].address.port()
    );
    fs::write(dir.path().join("fails.lua"), fails).unwrap();
    let ended = run(WRK2, dir.path(), &["-R100", "-d1h", "-s", "fails.lua", &urls[0], &urls[1]]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("the script ended the load: ") && ended.err.contains("enough"), "{ended:?}");
    assert!(ended.out.contains("Overall Statistics"), "{ended:?}");
}

#[test]
fn deathstarbench_options_change_the_third_column_to_the_99th_percentile() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    for (option, head) in [("-L", "Max"), ("-D", "99%"), ("-S", "99%"), ("-r", "99%")] {
        let option = if option == "-D" { "-Dfixed" } else { option };
        let ended = run(WRK2, dir.path(), &["-R100", "-d100ms", option, &server.url()]);
        let columns = format!("  Thread Stats   Avg      Stdev     {head}   +/- Stdev\n");
        assert!(ended.out.contains(&columns), "{option}: {ended:?}");
    }
}

#[test]
fn strict_exits_with_3_if_the_report_has_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let silent = Server::start(|mut peer| peer.swallow());
    for (url, option, code) in [(silent.url(), "--strict", 3), (silent.url(), "--latency", 0)] {
        let ended = run(WRK2, dir.path(), &["-R100", "-d100ms", "-T100ms", option, &url]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.out.contains("  warning: "), "{ended:?}");
    }
}

#[test]
fn the_progress_line_is_shown_only_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let (url, args) = (server.url(), ["-R100", "-d1200ms"]);
    let shown = run_on_terminal(WRK2, dir.path(), &[args[0], args[1], &url]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let line = "\r\x1b[J\x1b[?7l  1s of 1200ms  ";
    assert!(shown.err.contains(line) && shown.err.contains("/s of 100/s  "), "{shown:?}");
    assert!(shown.err.contains("/s good  p50 "), "{shown:?}");
    assert!(shown.err.ends_with("\x1b[?7h\r\r\x1b[J"), "it is erased at the end: {shown:?}");
    assert!(!shown.err.contains("\x1b[3"), "no colours: {shown:?}");
    assert!(shown.out.contains("Requests/sec:") && !shown.out.contains('\x1b'), "{shown:?}");
    let quiet = run_on_terminal(WRK2, dir.path(), &[args[0], args[1], "--quiet", &url]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""));
    let piped = run(WRK2, dir.path(), &[args[0], args[1], &url]);
    assert_eq!((piped.code, piped.err.as_str()), (Some(0), ""));
}

#[test]
fn progress_is_shown_without_a_terminal_if_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let url = server.url();
    let load = |how: &str| run(WRK2, dir.path(), &["-R100", "-d1200ms", "--progress", how, &url]);
    let lines = load("line");
    assert_eq!(lines.code, Some(0), "{lines:?}");
    assert!(lines.err.starts_with("  1s of 1200ms  ") && lines.err.contains("/s of 100/s  "), "{lines:?}");
    let json = load("json");
    let line: serde_json::Value = serde_json::from_str(json.err.lines().next().unwrap()).unwrap();
    assert!(line["phase"] == "load" && line["sent_per_s"].as_f64().unwrap() > 0.0, "{json:?}");
    let file = load("json=x.jsonl");
    assert_eq!((file.code, file.err.as_str()), (Some(0), ""));
    let text = fs::read_to_string(dir.path().join("x.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(line["p99_ns"].as_u64().unwrap() > 0 && line["errors"]["status"] == 0, "{text}");
    let none = load("none");
    assert_eq!((none.code, none.err.as_str()), (Some(0), ""));
    assert_refused(WRK2, dir.path(), &["-R1", "--progress", "bar", &url], "Write line, json, json=FILE or none.");
    assert_refused(WRK2, dir.path(), &["-R1", "--progress", "json=no/x", &url], "cannot create no/x");
    assert_refused(WRK2, dir.path(), &["-R1", "--progress", "json", "--quiet", &url], "cannot be used with");
    assert_refused(WRK2, dir.path(), &["-R1", "--tui", &url], "--tui needs a terminal as standard error");
}

#[test]
fn an_error_message_has_each_cause_once() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(METAWRK, dir.path(), &["experiment", "none.toml"]);
    assert_eq!(ended.err, "cannot read none.toml: No such file or directory (os error 2)\n");
}

#[test]
fn the_last_of_repeated_options_counts_and_headers_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    for (program, first) in [(WRK2, None), (METAWRK, Some("load"))] {
        let args = ["-R100", "-d1h", "-H", "A: 1", "-d100ms", "-H", "B: 2", &server.url()];
        let ended = run(program, dir.path(), &first.into_iter().chain(args).collect::<Vec<_>>());
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    }
    let requests = server.requests.lock().unwrap();
    let text = String::from_utf8_lossy(&requests[0]);
    assert!(requests.len() == 20 && text.contains("A: 1") && text.contains("B: 2"), "{text}");
}

#[test]
fn a_closed_standard_output_is_not_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let mut wrk2 = started(WRK2, dir.path(), &["-R100", "-d100ms", &server.url()]);
    assert!(wrk2.line().starts_with("Running "));
    wrk2.hang_up();
    let mut report = started(METAWRK, dir.path(), &["report", create_results(dir.path()).to_str().unwrap()]);
    report.hang_up();
    for ended in [wrk2.end(), report.end()] {
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(METAWRK);
    let output = command.arg("report").arg(create_results(dir.path())).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
}

#[test]
fn sigint_and_sigterm_end_wrk2_with_a_full_report() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::answering(OK);
        let wrk2 = started(WRK2, dir.path(), &["-R200", "-d1h", &server.url()]);
        eventually("load", || server.requests.lock().unwrap().len() > 20);
        wrk2.send(signal);
        let ended = wrk2.end();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        for message in [" requests in ", "Requests/sec:", "scheduled ", "ended in its warm-up of 10s"] {
            assert!(ended.out.contains(message), "{message}: {ended:?}");
        }
    }
}

#[test]
fn the_output_of_a_script_and_the_report_stay_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let script = r#"
        local n = 0
        function setup(thread) n = n + 1; print("thread " .. n .. " created") end
        function done(summary, latency, requests)
            print(string.format("%d requests, %d errors, %s", summary.requests, summary.errors.status, #latency > 0))
        end"#;
    fs::write(dir.path().join("report.lua"), script).unwrap();
    let ended = run(WRK2, dir.path(), &["-R100", "-d200ms", "-s", "report.lua", &server.url()]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[..2], ["thread 1 created", "thread 2 created"]);
    assert!(lines[2].starts_with("Running "), "{lines:?}");
    assert_eq!(lines.last(), Some(&"20 requests, 0 errors, true"));
}

#[test]
fn an_overloaded_server_has_latencies_after_the_warm_up() {
    let dir = tempfile::tempdir().unwrap();
    // Four connections, a request each in 20 ms: 200/s of the 400/s that it gets.
    let server = Server::start(|mut peer| {
        while peer.request().is_some() {
            std::thread::sleep(Duration::from_millis(20));
            peer.send(OK);
        }
    });
    let url = server.url();
    let args = ["-t2", "-c4", "-d3s", "-R400", "--warmup", "2s", "-U", "--json", "x.json", "--record", "x.csv", &url];
    let ended = run(WRK2, dir.path(), &args);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(dir.path().join("x.json")).unwrap()).unwrap();
    let number = |path: &str| json.pointer(path).unwrap().as_f64().unwrap();
    // What is answered in the last second was due in the warm-up, and so it took a second or more.
    assert!(number("/service/count") > 50.0 && number("/service/p50") >= 20_000.0, "{ended:?}");
    assert!(number("/response/p90") > 900_000.0 && number("/response/max") > 1_200_000.0, "{ended:?}");
    // Each thread has two connections.
    assert!((20.0..=110.0).contains(&number("/req_avg")), "{ended:?}");
    assert!(!ended.out.contains("Include them with --warmup 0s"), "they are included: {ended:?}");
    // The records say which attempts were left out: those that ended in the warm-up.
    let rows = fs::read_to_string(dir.path().join("x.csv")).unwrap();
    let mut lines = rows.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let (end, warmup, outcome) = (column("end_ns"), column("warmup"), column("outcome"));
    let (mut counted, mut answered) = (0, 0);
    for row in lines {
        assert_eq!(row[warmup] == "true", row[end].parse::<u64>().unwrap() < 2_000_000_000, "{row:?}");
        counted += u64::from(row[warmup] == "false");
        answered += u64::from(row[warmup] == "false" && row[outcome] == "answered");
    }
    assert_eq!((counted as f64, answered as f64), (number("/response/count"), number("/service/count")));
}

#[test]
fn json_on_standard_output_replaces_all_text() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let ended = run(WRK2, dir.path(), &["-R100", "-d200ms", "--json", "-", "--plot", "figures", &server.url()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json["account"]["scheduled"], 20);
    assert_eq!(ended.err, "");
}

#[test]
fn data_on_standard_output_is_not_mixed_with_the_output_of_a_script() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let script = r#"
        print("loaded")
        local ffi = require "ffi"
        ffi.cdef "int puts(const char *text);"
        function setup(thread) io.write("set up\n") end
        function init() io.stdout:write("initialised\n") ffi.C.puts("by C") os.execute("echo by a child") end
        function request() print("requested") return wrk.format() end
        function response() print("answered") end
        function done() print("done") io.write("without a line end") end"#;
    fs::write(dir.path().join("prints.lua"), script).unwrap();
    let url = server.url();
    let all = [
        "loaded",
        "set up",
        "initialised",
        "by C",
        "by a child",
        "requested",
        "answered",
        "done",
        "without a line end",
    ];
    for output in [["--json", "-"], ["--json", "/dev/stdout"], ["--hgrm", "-"]] {
        let args = [&output[..], &["-R100", "-d200ms", "-s", "prints.lua", &url]].concat();
        let ended = run(WRK2, dir.path(), &args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        match output[0] {
            "--json" => drop(serde_json::from_str::<serde_json::Value>(&ended.out).unwrap()),
            _ => assert!(
                ended.out.starts_with("       Value   Percentile") && ended.out.ends_with("2048]\n"),
                "{ended:?}"
            ),
        }
        for text in all {
            assert!(ended.err.contains(text), "{output:?}: {text}: {ended:?}");
        }
    }
    let args = ["-R100", "-d200ms", "--json", "-", "--hgrm", "/dev/stdout", &url];
    assert_refused(WRK2, dir.path(), &args, "cannot write to the same file");
}

#[test]
fn the_rates_are_the_last_two_lines_as_in_wrk2() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    fs::write(dir.path().join("done.lua"), "function done() print('done') end").unwrap();
    let url = server.url();
    for (args, rate) in [
        (&["-R100", "-d1", "-c1", "-t1", &url][..], "100.00"),
        (&["-R50", "-d1", "-L", "-P", "--plot", "figures", &url], "50.00"),
        (&["-R50", "-d1", "-t1", "-S", &url, &url], "100.00"),
        // The report has a warning.
        (&["-R50", "-d1", "-t1", "-c2", "--warmup", "1s", &url], "50.00"),
    ] {
        let command = format!("{WRK2} {} | tail -n 2 | awk '{{print $2}}'", args.join(" "));
        let ended = run("sh", dir.path(), &["-c", &command]);
        let values: Vec<&str> = ended.out.lines().collect();
        assert!(values.len() == 2 && values[0] == rate && values[1].ends_with('B'), "{command}: {ended:?}");
    }
    let ended = run(WRK2, dir.path(), &["-R50", "-d1", "-s", "done.lua", &url]);
    let lines: Vec<&str> = ended.out.lines().rev().take(3).collect();
    assert!(lines[0] == "done" && lines[1].starts_with("Transfer/sec:") && lines[2].starts_with("Requests/sec:"));
}

#[test]
fn a_signal_before_the_load_prints_nothing_and_leaves_files_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    fs::write(dir.path().join("stuck.lua"), "function init() while true do end end").unwrap();
    fs::write(dir.path().join("a.json"), "of the run before").unwrap();
    fs::write(dir.path().join("a.csv"), "of the run before").unwrap();
    let folder = contents(dir.path());
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let before = server.connections.load(Ordering::SeqCst);
        let url = server.url();
        let args = ["-R100", "-s", "stuck.lua", "--json", "a.json", "--record", "a.csv", "-P", &url];
        let wrk2 = started(WRK2, dir.path(), &args);
        eventually("a connection to the server", || server.connections.load(Ordering::SeqCst) > before);
        let ended = wrk2.end_by(signal);
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(code), "", ""));
        assert!(contents(dir.path()) == folder, "the folder is unchanged");
    }
}

#[test]
fn a_signal_during_the_drain_gives_a_full_report() {
    let dir = tempfile::tempdir().unwrap();
    let silent = Server::start(|mut peer| peer.swallow());
    let mut wrk2 = started(WRK2, dir.path(), &["-R100", "-d100ms", "-c10", "-T1h", "--drain", "1h", &silent.url()]);
    wrk2.line();
    let began = Instant::now();
    eventually("the end of arrivals", || began.elapsed() > Duration::from_millis(300));
    wrk2.send(Signal::INT);
    let ended = wrk2.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("  scheduled   10 = 0 answered + 0 failed + "), "{ended:?}");
}

#[test]
fn a_response_that_never_comes_is_awaited_for_the_drain_and_not_for_the_timeout() {
    let dir = tempfile::tempdir().unwrap();
    // One connection of many hangs: that of the third request of each run.
    let requests = AtomicUsize::new(0);
    let server = Server::start(move |mut peer| {
        while peer.request().is_some() && requests.fetch_add(1, Ordering::SeqCst) % 20 != 2 && peer.send(OK) {}
        peer.swallow();
    });
    let url = server.url();
    for (drain, from, to) in [(&["--drain", "300ms"][..], 0.5, 10.0), (&[], 2.2, 12.0)] {
        let args = [&["-R100", "-d200ms", "-t1", "-c10", "-T20s"][..], drain, &[&url]].concat();
        let began = Instant::now();
        let ended = run(WRK2, dir.path(), &args);
        let took = began.elapsed().as_secs_f64();
        assert!(ended.code == Some(0) && (from..to).contains(&took), "{took} s: {ended:?}");
        assert!(ended.out.contains("  scheduled   20 = "), "{ended:?}");
    }
    let began = Instant::now();
    let healthy = Server::answering(OK);
    run(WRK2, dir.path(), &["-R100", "-d200ms", "-t1", "-c10", "--drain", "1h", &healthy.url()]);
    assert!(began.elapsed() < Duration::from_secs(20), "a healthy run ends at its duration");
}

#[test]
fn urls_and_requests_are_sent_as_they_are_typed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("path.lua"), "assert(wrk.path == '/q?x={\"a\":<1> |^`\\\\}#b', wrk.path)").unwrap();
    let server = Server::answering(OK);
    let url = format!("{}q?x={{\"a\":<1> |^`\\}}#b", server.url());
    let ended = run(WRK2, dir.path(), &["-R10", "-d200ms", "-t1", "-c1", "-s", "path.lua", "-H", "host: x", &url]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = b"GET /q?x={\"a\":<1> |^`\\}#b HTTP/1.1\r\nHost: x\r\n\r\n";
    let requests = server.requests.lock().unwrap();
    assert!(requests.len() == 2 && requests.iter().all(|bytes| bytes == expected), "{requests:?}");
}

/// The second of two threads does not return from its sixth request.
const STUCK: &str = "
    local n = 0
    function setup(thread) n = n + 1 thread:set('number', n) end
    local made = 0
    function request()
        made = made + 1
        while number == 2 and made > 5 do end
        return wrk.format('GET', '/' .. number)
    end";

#[test]
fn a_script_that_never_returns_does_not_outlive_the_load() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("stuck.lua"), STUCK).unwrap();
    let server = Server::answering(OK);
    let began = Instant::now();
    let ended = run(WRK2, dir.path(), &["-R100", "-d500ms", "-t2", "-c2", "-s", "stuck.lua", &server.url()]);
    assert!(began.elapsed() < Duration::from_secs(20), "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("stuck.lua: the script of thread 1 did not return by the end of the load"), "{ended:?}");
    // The stuck thread sends 5, builds the next request before it can read the fifth response, and is due to send 20 more.
    // The other one sends 25, or less on a busy machine.
    let line = ended.out.lines().find(|line| line.starts_with("  scheduled")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] == 50 && numbers[1..].iter().sum::<u64>() == 50 && numbers[4] >= 20 && numbers[1] > 5, "{line}");
    assert!(ended.out.contains("because the script put the others off"), "{ended:?}");
}

#[test]
fn a_signal_ends_a_load_with_a_stuck_script_with_a_full_report() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("stuck.lua"), STUCK).unwrap();
    let server = Server::answering(OK);
    let args = ["-R100", "-d1h", "-t2", "-c2", "-s", "stuck.lua", &server.url()];
    for signals in [1, 2] {
        let wrk2 = started(WRK2, dir.path(), &args);
        eventually("requests of both threads", || {
            let requests = server.requests.lock().unwrap();
            let of = |path: &[u8]| requests.iter().filter(|bytes| bytes.starts_with(path)).count();
            of(b"GET /2") == 5 * signals && of(b"GET /1") > 10 * signals
        });
        (0..signals).for_each(|_| wrk2.send(Signal::INT));
        let ended = wrk2.end();
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(ended.err.contains("stuck.lua: the script of thread 1 did not return"), "{ended:?}");
        assert!(ended.out.contains(" answered + 0 failed + ") && ended.out.contains("Requests/sec:"), "{ended:?}");
    }
}

#[test]
fn any_rate_is_possible_and_what_was_never_sent_is_counted_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    for (rate, scheduled) in [("-R1G", 200_000_000), ("-R0..2G", 200_000_000)] {
        let began = Instant::now();
        let ended = run(WRK2, dir.path(), &[rate, "-d200ms", "-t2", "-c4", &server.url()]);
        assert!(began.elapsed() < Duration::from_secs(20), "{ended:?}");
        assert!(ended.out.contains(&format!("  scheduled   {scheduled} = ")), "{ended:?}");
        let line = ended.out.lines().find(|line| line.starts_with("  scheduled")).unwrap();
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers[0], numbers[1..].iter().sum::<u64>(), "{line}");
        // What was never sent has waited, and how long it would have taken is unknown.
        assert!(ended.out.contains("\n  at least    ") && ended.out.contains("are lower bounds"), "{ended:?}");
    }
}

#[test]
fn an_invalid_experiment_is_refused_with_its_position_and_leaves_no_results() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        format!("rate = 100\nscript = \"{name}\"")
    };
    let good = TARGET.replace("URL", &server.url());
    for (text, message) in [
        (good.replace("rate", "raet"), "x.toml:5: load.raet: unknown field `raet`"),
        (good.replace("[load]", "[laod]"), "Did you mean `load`?"),
        (good.replace("100", "\"fast\""), "x.toml:5: load.rate: invalid type"),
        (good.replace("100", "0"), "x.toml:5: load.rate: must be between"),
        (good.replace("100", "1e12"), "x.toml:5: load.rate: must be between"),
        (good.replace("100", "7"), "phases.baseline: must be at least 35715ms"),
        (good.replace("rate = 100", "rate = 100\nscript = \"none.lua\""), "x.toml:6: load.script: "),
        (good.replace(&server.url(), &format!("http://{closed}/")), "unable to connect to 127.0.0.1:"),
        (good.replace("rate = 100", &script("a.lua", "function request( return")), "a.lua:1: "),
        (good.replace("rate = 100", &script("b.lua", "error('at once')")), "b.lua:1: at once"),
        (good.replace("rate = 100", &script("c.lua", "function request() return 5 end")), "c.lua: request() returned"),
        (good.replace("rate = 100", &script("d.lua", "error({})")), "d.lua:1: table: "),
    ] {
        fs::write(dir.path().join("x.toml"), text).unwrap();
        assert_refused(METAWRK, dir.path(), &["experiment", "x.toml"], message);
        let results = fs::read_dir(dir.path().join("results"));
        assert_eq!(results.map_or(0, Iterator::count), 0, "{message}");
    }
    fs::write(dir.path().join("x.toml"), good).unwrap();
    assert_refused(METAWRK, dir.path(), &["experiment", "x.toml", "--rate", "0"], "--rate: must be between");
    assert_refused(METAWRK, dir.path(), &["experiment", "x.toml", "--rate", "1000G"], "--rate: must be between");
    assert_refused(METAWRK, dir.path(), &["experiment", "."], "cannot read .: Is a directory");
    assert_refused(METAWRK, dir.path(), &["experiment", "x.toml", "--out", "x.toml"], "cannot create x.toml: ");
    fs::create_dir_all(dir.path().join("taken/latest")).unwrap();
    assert_refused(METAWRK, dir.path(), &["experiment", "x.toml", "--out", "taken"], "move it away");
    assert!(server.requests.lock().unwrap().is_empty());
}
