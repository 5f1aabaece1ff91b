//! One load on several generators, as processes of this machine: they send exactly what one would, and whatever happens to
//! one of them is accounted for.

mod support;

use std::path::Path;

use metawrk::record::{RequestRecord, parquet};
use serde_json::Value;
use support::program::{METAWRK, WRK2, run};
use support::{OK, Server, schema};

const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

/// The report of a load as JSON.
fn json(dir: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(dir.join(name)).unwrap()).unwrap()
}

fn rows(dir: &Path, name: &str) -> Vec<RequestRecord> {
    parquet::read(&dir.join(name)).unwrap()
}

fn due(rows: &[RequestRecord]) -> Vec<(u64, u64)> {
    let mut due: Vec<(u64, u64)> = rows.iter().map(|row| (row.due.0, row.request)).collect();
    due.sort_unstable();
    due
}

/// The account balances, and is that of the rows. The histogram is that of the rows.
fn check(dir: &Path, report: &Value, rows: &[RequestRecord]) {
    let account = &report["account"];
    assert_eq!(account["balances"], true, "{account}");
    let of_rows = metawrk::record::Account::of(rows);
    for (name, count) in [
        ("scheduled", of_rows.scheduled),
        ("answered", of_rows.answered),
        ("failed", of_rows.failed),
        ("unanswered", of_rows.unanswered),
        ("unsent", of_rows.unsent),
    ] {
        assert_eq!(account[name], count, "{name} in {}", dir.display());
    }
    let mut latencies = metawrk::record::Latencies::default();
    rows.iter().for_each(|row| latencies.add(row));
    let response = &report["response"];
    assert_eq!(response["count"], latencies.response.len());
    for (name, percent) in [("p50", 50.0), ("p99", 99.0), ("max", 100.0)] {
        let value = metawrk::stats::value_at_percentile(&latencies.response, percent);
        assert_eq!(response[name].as_f64().unwrap() as u64, value, "{name}");
    }
}

#[test]
fn several_generators_send_what_one_would_send() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    for dist in ["fixed", "exp"] {
        let load = |name: &str, more: &[&str]| {
            let (record, report) = (format!("{name}.parquet"), format!("{name}.json"));
            let url = server.url();
            let base = ["load", "-t2", "-c12", "-d1s", "-R300", "-D", dist, "--record", &record, "--json", &report];
            let ended = run(METAWRK, dir.path(), &[&base, more, &[&url]].concat());
            assert_eq!(ended.code, Some(0), "{ended:?}");
            (rows(dir.path(), &record), json(dir.path(), &report), ended.out)
        };
        let (one, _, _) = load("one", &[]);
        let (three, report, text) = load("three", &["--on", "local", "-N3"]);
        assert_eq!(due(&three), due(&one), "{dist}");
        check(dir.path(), &report, &three);
        let mut threads: Vec<u16> = three.iter().map(|row| row.thread).collect();
        threads.sort_unstable();
        threads.dedup();
        assert_eq!(threads, [0, 1, 2, 3, 4, 5]);
        let parts = report["parts"].as_array().unwrap();
        assert_eq!(parts.len(), 3);
        for part in parts {
            // All parts mean the same instant by a due time. The fastest send shows it on a busy machine, too.
            let number = part["part"].as_u64().unwrap();
            let of_part = three.iter().filter(|row| u64::from(row.thread) / 2 == number);
            let lag = |row: &RequestRecord| row.sent.0.abs_diff(row.due.0);
            let least = of_part.filter(|row| row.sent.0 > 0).map(lag).min().unwrap();
            let uncertainty = part["clock_uncertainty_ns"].as_u64().unwrap();
            assert!(least <= 5_000_000 + uncertainty, "part {number}: {least} ns, {part}");
        }
        let sum: u64 = parts.iter().map(|part| part["sent"].as_u64().unwrap()).sum();
        assert_eq!(sum, report["generator"]["sent"].as_u64().unwrap_or(sum), "{report}");
        assert!(text.contains("6 threads and 12 connections") && text.contains("Parts:\n"), "{text}");
    }
}

#[test]
fn a_load_is_aborted_by_what_all_generators_see_together() {
    // The requests of one of three parts fail: a third of all, which no part sees alone.
    let server = Server::start(|mut peer| {
        while let Some(request) = peer.request() {
            peer.send(if request.starts_with(b"GET /bad ") { BUSY } else { OK });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let script = "count = 0\n\
        function setup(thread) thread:set('path', count == 0 and '/bad' or '/'); count = count + 1 end\n\
        function request() return wrk.format('GET', path) end";
    std::fs::write(dir.path().join("s.lua"), script).unwrap();
    let load = |condition: &str, duration: &str| {
        let base = ["load", "-t1", "-c6", "-R90", "-s", "s.lua", "--on", "local", "-N3", "--json", "x.json"];
        let ended =
            run(METAWRK, dir.path(), &[&base[..], &[duration, "--abort-if", condition, &server.url()]].concat());
        (ended, json(dir.path(), "x.json"))
    };
    let (ended, report) = load("errors>20%@1s", "-d60s");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!((&report["ended"], &report["thresholds"][0]["action"]), (&"aborted".into(), &"abort-if".into()));
    assert_eq!(report["account"]["balances"], true, "{report}");
    assert!(report["tot_duration"].as_f64().unwrap() < 30_000.0, "{report}");
    let sent: Vec<u64> =
        report["parts"].as_array().unwrap().iter().map(|part| part["sent"].as_u64().unwrap()).collect();
    assert!(sent.len() == 3 && sent.iter().all(|sent| *sent > 0), "{report}");
    let (ended, report) = load("errors>60%@1s", "-d3s");
    assert_eq!((ended.code, &report["thresholds"][0]["passed"]), (Some(0), &true.into()), "{ended:?} {report}");
}

#[test]
fn wrk2_takes_the_same_options_and_several_urls_too() {
    let (a, b) = (Server::answering(OK), Server::answering(OK));
    let dir = tempfile::tempdir().unwrap();
    let args = ["-t1", "-c4", "-d500ms", "-R100", "--on", "local", "-N2", "--json", "x.json", "--record", "x.csv"];
    let ended = run(WRK2, dir.path(), &[&args[..], &[&a.url(), &b.url()]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = json(dir.path(), "x.json");
    schema::check("load", &report);
    assert_eq!(report["account"]["scheduled"], 100);
    for (url, server) in report["urls"].as_array().unwrap().iter().zip([&a, &b]) {
        assert_eq!(url["account"]["scheduled"], 50, "{report}");
        // On a busy machine the last ones may stay unsent.
        let requests = server.requests.lock().unwrap().len();
        assert!((30..=50).contains(&requests), "{requests}: {report}");
    }
}

#[test]
fn setup_and_done_run_once_over_all_threads_and_data_files_travel() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        local counter = 0
        threads = {}
        function setup(thread)
            thread:set("id", counter)
            thread:set("words", { "a", { nested = true } })
            counter = counter + 1
            table.insert(threads, thread)
            if counter == 4 then thread:stop() end
        end
        function init(args)
            requests = 0
            local file = assert(io.open("data/paths.txt"))
            path = file:read("*l")
            file:close()
        end
        function request()
            requests = requests + 1
            assert(words[2].nested)
            return wrk.format("GET", path .. "/" .. id)
        end
        function done(summary, latency, rates)
            local ids = {}
            for _, thread in ipairs(threads) do table.insert(ids, thread:get("id")) end
            io.write("ids ", table.concat(ids, " "), " requests ", summary.requests, " latencies ", #latency, "\n")
        end"#;
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/paths.txt"), "/from-a-file\n").unwrap();
    std::fs::write(dir.path().join("s.lua"), script).unwrap();
    let args =
        ["load", "-t2", "-c4", "-d1s", "-R100", "-s", "s.lua", "--file", "data/paths.txt", "--on", "local", "-N2"];
    let ended = run(METAWRK, dir.path(), &[&args[..], &[&server.url()]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let done = regex::Regex::new(r"ids 0 1 2 3 requests (\d+) latencies 75\n").unwrap();
    let answered: u64 = done.captures(&ended.out).unwrap_or_else(|| panic!("{ended:?}"))[1].parse().unwrap();
    assert!((40..=75).contains(&answered), "{ended:?}");
    let requests = server.requests.lock().unwrap();
    for (id, most) in [(0, 25), (1, 25), (2, 25), (3, 0)] {
        let start = format!("GET /from-a-file/{id} ");
        let count = requests.iter().filter(|bytes| bytes.starts_with(start.as_bytes())).count();
        assert!(count <= most && count >= most / 2, "{id}: {count}");
    }
}

#[test]
fn an_experiment_has_its_load_from_several_generators() {
    let dir = tempfile::tempdir().unwrap();
    let text = "name = 't'\n[testbed]\n[load]\nrate = 60\nconnections = 4\nscript = 'compose-post'\n\
        [phases]\nwarmup = '0s'\nduration = '8s'\n[verdict]\nslo = '1s'\n";
    std::fs::write(dir.path().join("x.toml"), text).unwrap();
    let ended = run(METAWRK, dir.path(), &["experiment", "--on", "local", "-N2", "x.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let results = dir.path().join("results/latest");
    let summary = json(&results, "summary.json");
    schema::check("summary", &summary);
    assert_eq!((&summary["account"]["balances"], &summary["plan"]["threads"]), (&true.into(), &2.into()), "{summary}");
    assert_eq!(summary["generator"]["parts"].as_array().unwrap().len(), 2);
    let of_part = |part: u16| rows(&results.join(format!("parts/part={part}")), "requests.parquet");
    let (first, second) = (of_part(0), of_part(1));
    assert!(first.iter().all(|row| row.thread == 0) && second.iter().all(|row| row.thread == 1));
    assert!(!results.join("requests.parquet").exists());
    let rows = [first, second].concat();
    assert_eq!(summary["account"]["scheduled"], rows.len());
    // Each request is there once.
    let requests: Vec<u64> = due(&rows).into_iter().map(|(_, request)| request).collect();
    assert_eq!(requests, (0..rows.len() as u64).collect::<Vec<_>>());
    assert!(std::fs::read_to_string(results.join("report.html")).unwrap().contains("Several generators"));

    let sums = std::fs::read_to_string(results.join("SHA256SUMS")).unwrap();
    assert!(sums.contains("  parts/part=1/requests.parquet\n"), "{sums}");
    let report = || run(METAWRK, dir.path(), &["report", "results/latest"]);
    let redrawn = report();
    assert_eq!((redrawn.code, json(&results, "summary.json")), (Some(0), summary), "{redrawn:?}");
    std::fs::remove_file(results.join("parts/part=1/requests.parquet")).unwrap();
    let damaged = report();
    assert!(damaged.code == Some(1) && damaged.err.contains("no parts/part=1/requests.parquet"), "{damaged:?}");
}

#[test]
fn a_load_that_cannot_start_sends_nothing_and_says_why() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let closed = format!("http://{}/", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (url, base) = (server.url(), ["load", "-t2", "-d1s", "-R100"]);
    for (args, code, message) in [
        (
            vec!["-c10", "--on", "local", "-N6", &url],
            2,
            "cannot be divided into 6 parts: number of connections must be >=",
        ),
        (vec!["-c10", "--on", "local", &url], 1, "--on local needs the number of generators. Add --parts N."),
        (vec!["-c10", "-N2", &url], 1, "need --on"),
        (vec!["-c10", "--on", "moon", "-N2", &url], 1, "`moon` is not a place"),
        (vec!["-c10", "--on", "local", "-N2", "--file", "../x", &url], 1, "Name it relative to the working directory"),
        (vec!["-c10", "--on", "local", "-N2", &closed], 2, "unable to connect to 127.0.0.1:"),
        (vec!["-c10", "--on", "local", "-N2", "--listen", "192.0.2.1", &url], 2, "cannot listen at 192.0.2.1:0"),
    ] {
        let ended = run(METAWRK, dir.path(), &[&base[..], &args].concat());
        assert!(ended.code == Some(code) && ended.err.contains(message), "{args:?}: {ended:?}");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}
