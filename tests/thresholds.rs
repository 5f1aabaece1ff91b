//! Thresholds from the command line and from experiment files: what is printed and written, and exit codes.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::program::{Ended, METAWRK, WRK2, assert_refused, run};
use support::{OK, Server};

const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

/// Runs a load of 20 requests.
fn load(dir: &Path, server: &Server, args: &[&str]) -> Ended {
    run(WRK2, dir, &[&["-t1", "-c2", "-d200ms", "-R100"], args, &[&server.url()]].concat())
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_load_passes_or_fails_by_its_thresholds() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let ended = load(dir.path(), &server, &["--fail-if", "errors>0%", "--fail-if", "p50>10s"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.out.lines().collect();
    let at = lines.iter().position(|line| *line == "Thresholds:").unwrap();
    assert_eq!(lines[at + 1], "  PASS errors 0 % <= 0 %");
    assert!(lines[at + 2].starts_with("  PASS p50 ") && lines[at + 2].ends_with(" <= 10s"), "{ended:?}");
    // As in wrk2, these are the last two lines.
    assert!(lines[lines.len() - 2].starts_with("Requests/sec:") && lines[lines.len() - 1].starts_with("Transfer/sec:"));

    let ended = load(dir.path(), &server, &["--fail-if", "errors>0%", "--fail-if", "rate<1k", "--strict"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.out.contains("\n  FAIL rate ") && ended.out.contains("/s < 1000/s\n"), "{ended:?}");
}

#[test]
fn goodput_counts_answers_within_the_slo() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let ended = load(dir.path(), &server, &["--slo", "60s", "--fail-if", "goodput<100%"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = load(dir.path(), &server, &["--slo", "1us", "--fail-if", "goodput<1%"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.out.contains("  FAIL goodput 0 % < 1 %\n"), "{ended:?}");
}

#[test]
fn ci_systems_get_files() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(BUSY);
    let thresholds = ["--fail-if", "errors>1%", "--fail-if", "unsent>0"];
    let files = ["--json", "a.json", "--junit", "a.xml", "--markdown", "a.md"];
    let ended = load(dir.path(), &server, &[&thresholds[..], &files].concat());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let json = read_json(&dir.path().join("a.json"));
    let (first, second) = (&json["thresholds"][0], &json["thresholds"][1]);
    assert_eq!((&first["condition"], &first["value"]), (&"errors>1%".into(), &100.0.into()));
    assert_eq!((&first["passed"], &second["passed"]), (&false.into(), &true.into()));
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let junit = read("a.xml");
    assert!(junit.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{junit}");
    assert!(junit.contains("name=\"fail-if errors&gt;1%\""), "{junit}");
    assert!(junit.contains("<failure message=\"errors 100 % &gt; 1 %\"/>"), "{junit}");
    let markdown = read("a.md");
    assert!(markdown.contains("| **FAIL** | fail-if errors>1% | errors 100 % > 1 % |\n| PASS |"), "{markdown}");
    assert!(markdown.contains("> **Warning:** 100.0 % of the attempts ended with an error"), "{markdown}");

    let ended = load(dir.path(), &server, &["--markdown", "-"]);
    assert!(ended.out.starts_with("### http://127.0.0.1:") && !ended.out.contains("Thread Stats"), "{ended:?}");
}

#[test]
fn a_load_of_errors_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let ended = load(dir.path(), &Server::answering(BUSY), &["--strict"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let warning = "  warning: 100.0 % of the attempts ended with an error: 20 answers with a status above 399";
    assert!(ended.out.contains(warning), "{ended:?}");
}

#[test]
fn a_load_is_aborted_by_errors_and_by_a_server_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let hangs = Server::start(|mut peer| while peer.request().is_some() {});
    for server in [Server::answering(BUSY), hangs] {
        let url = server.url();
        let load = ["-t1", "-c10", "-d60s", "-R50", "-T500ms", "--abort-if", "errors>50%@1s", "--json", "a.json", &url];
        let ended = run(WRK2, dir.path(), &load);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.out.contains("\n  stopped     by --abort-if, after "), "{ended:?}");
        assert!(ended.out.contains("  FAIL errors 100 % > 50 % over 1s, at "), "{ended:?}");
        let json = read_json(&dir.path().join("a.json"));
        assert_eq!((&json["ended"], &json["thresholds"][0]["action"]), (&"aborted".into(), &"abort-if".into()));
        assert!(json["tot_duration"].as_f64().unwrap() < 30_000.0);
    }
}

#[test]
fn a_healthy_load_is_not_aborted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let url = server.url();
    let load = ["-t1", "-c2", "-d3s", "-R50", "--abort-if", "errors>50%@1s", "--abort-if", "p50>10s@1s", &url];
    let ended = run(WRK2, dir.path(), &load);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("  PASS errors never > 50 % over 1s\n"), "{ended:?}");
}

#[test]
fn wrong_thresholds_are_refused_before_any_load() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let url = server.url();
    for (args, message) in [
        (&["--fail-if", "p99>50"][..], "`50` is not a limit for p99. Write a time with its unit"),
        (&["--fail-if", "p99"], "is not a condition"),
        (&["--fail-if", "latency>1s"], "`latency` is not a metric. Choose one of: p50, p99"),
        (&["--fail-if", "errors>1%@5s"], "fail-if is about the whole run"),
        (&["--abort-if", "errors>1%@100ms"], "is not a window"),
        (&["--abort-if", "unsent>1%"], "unsent is known only at the end"),
        (&["--fail-if", "goodput<99%"], "a threshold on goodput needs --slo"),
        (&["--slo", "1s"], "--slo applies only to a threshold on goodput"),
        (&["--junit", "x", "--json", "x"], "cannot write to the same file"),
    ] {
        assert_refused(WRK2, dir.path(), &[&["-R10"], args, &[&url]].concat(), message);
    }
    let with = |threshold: &str| {
        let text = format!("name = 't'\n[target]\nurl = '{url}'\n[load]\nrate = 100\n[[threshold]]\n{threshold}\n");
        fs::write(dir.path().join("x.toml"), text).unwrap();
        run(METAWRK, dir.path(), &["experiment", "x.toml"]).err
    };
    for (threshold, message) in [
        ("fail-if = 'p99>50'", "x.toml:7: threshold.0.fail-if: `50` is not a limit for p99"),
        ("abort-if = 'unsent>1'", "threshold.0.abort-if: unsent is known only at the end"),
        ("abort-if = 'goodput<50%'", "threshold.0.abort-if: goodput needs an SLO while the run goes on. Set slo in"),
        ("", "threshold.0: needs either fail-if or abort-if"),
        ("fail-if = 'p99>1s'\nabort-if = 'p99>1s'", "threshold.0: needs either fail-if or abort-if"),
        ("fail_if = 'p99>1s'", "unknown field `fail_if`"),
    ] {
        let err = with(threshold);
        assert!(err.contains(message), "{threshold}: {err}");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

/// Writes the shortest possible experiment.
fn write_experiment(dir: &Path, server: &Server, threshold: &str) {
    let text = format!(
        "name = 't'\n[target]\nurl = '{}'\n[load]\nrate = 100\n\
         [phases]\nwarmup = '0s'\nbaseline = '5s'\nduration = '5s'\n[[threshold]]\n{threshold}\n",
        server.url()
    );
    fs::write(dir.join("x.toml"), text).unwrap();
}

#[test]
fn an_experiment_has_thresholds_too() {
    let dir = tempfile::tempdir().unwrap();
    write_experiment(dir.path(), &Server::answering(OK), "fail-if = 'p50>10s'");
    let args = ["experiment", "x.toml", "--fail-if", "errors>=0%", "--junit", "a.xml"];
    let ended = run(METAWRK, dir.path(), &args);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.out.contains("\n  PASS p50 ") && ended.out.contains("\n  FAIL errors "), "{ended:?}");
    let results = dir.path().join("results/latest");
    assert_eq!(read_json(&results.join("summary.json"))["thresholds"].as_array().unwrap().len(), 2);
    let junit = fs::read_to_string(dir.path().join("a.xml")).unwrap();
    assert!(junit.contains("tests=\"3\"") && junit.contains("name=\"verdict\""), "{junit}");
    // The option is part of the plan, so the report knows it.
    let again = run(METAWRK, dir.path(), &["report", "results/latest", "--markdown", "a.md"]);
    assert_eq!(again.code, Some(4), "{again:?}");
    let markdown = fs::read_to_string(dir.path().join("a.md")).unwrap();
    assert!(markdown.starts_with("### t\n") && markdown.contains("| **FAIL** | fail-if errors>=0% |"), "{markdown}");
    assert!(fs::read_to_string(results.join("report.html")).unwrap().contains("fail-if errors&gt;=0%"));
}

#[test]
fn an_experiment_that_is_aborted_is_invalid() {
    let dir = tempfile::tempdir().unwrap();
    write_experiment(dir.path(), &Server::answering(BUSY), "abort-if = 'errors>50%@1s'");
    let ended = run(METAWRK, dir.path(), &["experiment", "x.toml"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.out.contains("INVALID: aborted by a threshold"), "{ended:?}");
    assert!(ended.out.contains("A threshold ended the run: errors 100 % > 50 % over 1s, at "), "{ended:?}");
    let again = run(METAWRK, dir.path(), &["report", "results/latest", "--exit-code"]);
    assert_eq!(again.code, Some(20), "the verdict comes first: {again:?}");
    assert!(again.out.contains("  FAIL errors 100 % > 50 % over 1s, at "), "{again:?}");
}
