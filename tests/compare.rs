//! `metawrk compare` as users type it: records, JSON and results folders, the exit code, and what is refused.

mod support;

use std::fs;
use std::path::Path;

use metawrk::record::{Outcome, RequestRecord, create_recording};
use metawrk::units::{Instant, Time};
use serde_json::Value;
use support::program::{METAWRK, WRK2, assert_refused, run};
use support::results::create_results;
use support::{OK, Server};

/// Records of 20 s at 100 requests/s. Response times are spread over a factor of two from `us` on, and every
/// `failing`th request has an error.
fn write_records(path: &Path, us: u64, failing: u64) {
    let record = |i: u64| {
        let mut record = RequestRecord::planned(i, Instant(i * 10_000_000), 0);
        (record.ready, record.sent) = (record.due, record.due);
        // A permutation of 0..1000, so that neighbours differ.
        record.end = record.due.plus(Time(1000 * us + us * (i * 389 % 1000)));
        record.status = if i % failing == failing - 1 { 503 } else { 200 };
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        record
    };
    let mut recording = create_recording(path).unwrap();
    recording.consume(&(0..2000).map(record).collect::<Vec<_>>()).unwrap();
    recording.finish().unwrap();
}

#[test]
fn records_are_compared_and_a_slower_run_fails() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_records(&at("a.parquet"), 1000, 1000);
    write_records(&at("same.parquet"), 1000, 1000);
    write_records(&at("slow.parquet"), 1200, 1000);
    write_records(&at("failing.parquet"), 1000, 20);
    let compare =
        |b: &str, options: &[&str]| run(METAWRK, dir.path(), &[&["compare", "a.parquet", b], options].concat());

    let same = compare("same.parquet", &["--fail-if-worse"]);
    assert_eq!((same.code, &same.err[..]), (Some(0), ""), "{same:?}");
    assert!(same.out.starts_with("A: a.parquet\nB: same.parquet\n\nload    A (2000 requests)"), "{same:?}");
    assert!(same.out.contains("Every difference may be chance."), "{same:?}");

    let slow = compare("slow.parquet", &["--fail-if-worse", "--json", "x.json"]);
    assert_eq!(slow.code, Some(4), "{slow:?}");
    assert!(slow.out.contains("B is worse: mean, p50, p90, p99."), "{slow:?}");
    assert!(slow.err.starts_with("FAIL: B is worse by more than chance and 5 %: mean, p50"), "{slow:?}");
    let written = fs::read_to_string(at("x.json")).unwrap();
    let json: Value = serde_json::from_str(&written).unwrap();
    let change = json["phases"][0]["rows"][1]["change"].clone();
    assert!((change["value"].as_f64().unwrap() - 1.2).abs() < 0.01 && change["low"].as_f64() > Some(1.05), "{change}");
    assert_eq!(compare("slow.parquet", &["--fail-if-worse=30%"]).code, Some(0), "30 % are allowed");
    assert_eq!(compare("slow.parquet", &["--json", "-"]).out, written, "the same intervals again");

    let failing = compare("failing.parquet", &["--fail-if-worse=30"]);
    assert_eq!(failing.code, Some(4), "{failing:?}");
    assert!(failing.err.contains("errors"), "{failing:?}");
}

#[test]
fn results_folders_are_compared_with_their_settings() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (create_results(&dir.path().join("a")), create_results(&dir.path().join("b")));
    let b_name = b.to_str().unwrap();
    let ended = run(METAWRK, dir.path(), &["compare", a.to_str().unwrap(), b_name]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains(": INVALID: the run was killed\n"), "{ended:?}");
    assert!(ended.out.contains("There is no interval to tell a difference from chance"), "a run of 2 s: {ended:?}");
    assert!(ended.err.contains("is INVALID: it proves nothing"), "{ended:?}");
    let refused = |args: &[&str], message| assert_refused(METAWRK, dir.path(), &[&["compare"], args].concat(), message);
    refused(&[b_name, b_name, "--fail-if-worse"], "--fail-if-worse needs two runs that are valid");

    fs::write(a.join("campaign.toml"), "").unwrap();
    refused(&[a.to_str().unwrap(), b_name], "is the folder of a campaign, which has many runs");
    refused(&["none", b_name], "cannot read none");
    refused(&[b_name], "<B>");
    fs::write(dir.path().join("x.csv"), "request,thread\n").unwrap();
    refused(&["x.csv", b_name], "x.csv is neither a results folder, nor records as Parquet (--record FILE.parquet)");
    fs::write(dir.path().join("x.json"), "{}").unwrap();
    refused(&["x.json", b_name], "x.json is neither a results folder");
    fs::write(dir.path().join("y.json"), "{").unwrap();
    refused(&["y.json", b_name], "cannot read y.json");
    fs::write(dir.path().join("x.parquet"), "PAR1 garbage").unwrap();
    refused(&["x.parquet", b_name], "cannot read x.parquet");
}

#[test]
fn the_json_of_loads_is_compared_without_intervals() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    for (name, rate) in [("a.json", "50"), ("b.json", "100")] {
        let url = server.url();
        let ended = run(WRK2, dir.path(), &["-t1", "-c2", "-d300ms", "-R", rate, "--json", name, &url]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let ended = run(METAWRK, dir.path(), &["compare", "a.json", "b.json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("\nSettings that differ:\n  plan.0.rate: 50"), "{ended:?}");
    assert!(ended.out.contains("p99.9") && ended.out.contains("errors"), "{ended:?}");
    let args = ["compare", "a.json", "b.json", "--fail-if-worse"];
    assert_refused(METAWRK, dir.path(), &args, "--fail-if-worse needs the records of both runs, at least 10 s of each");
}
