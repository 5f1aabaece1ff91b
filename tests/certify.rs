//! Certificates from the command line: their answers and files, and campaigns that are killed and resumed.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::Signal;
use serde_json::Value;
use support::program::{Ended, METAWRK, assert_refused, eventually, run, started};
use support::{OK, Server};

/// The only campaign in the folder for results.
fn campaign(dir: &Path) -> PathBuf {
    let mut all = fs::read_dir(dir.join("results")).unwrap().map(|entry| entry.unwrap().path());
    let campaign = all.next().unwrap();
    assert_eq!(all.next(), None);
    campaign
}

fn json(campaign: &Path) -> Value {
    serde_json::from_slice(&fs::read(campaign.join("campaign.json")).unwrap()).unwrap()
}

/// Runs a certificate to its end, which takes longer than other programs of the tests.
fn certify(dir: &Path, args: &[&str]) -> Ended {
    let running = started(METAWRK, dir, &[&["certify"], args].concat());
    let deadline = Instant::now() + Duration::from_secs(140);
    let has_answer = || dir.join("answer.json").exists();
    while !has_answer() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    running.end()
}

/// The names of a JSON object and of the objects in it, without those of a map.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                if name != "processes" {
                    keys(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn the_embedded_testbed_is_bistable_at_300_requests_per_second() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--outage", "5s", "--dwell", "10s", "--exit-code", "--json", "answer.json"];
    let ended = certify(dir.path(), &args);
    assert_eq!(ended.code, Some(10), "not on a busy machine: {ended:?}");
    let campaign = campaign(dir.path());
    assert!(ended.out.contains("BISTABLE at 300 requests/s: goodput was "), "{ended:?}");
    assert!(ended.out.contains("All processes were the same throughout"), "{ended:?}");

    let answer = json(&campaign);
    assert_eq!(answer, serde_json::from_slice::<Value>(&fs::read(dir.path().join("answer.json")).unwrap()).unwrap());
    let processes = &answer["windows"]["windows"]["stuck"]["identity"]["processes"];
    assert_eq!(processes.as_object().unwrap().len(), 4, "{processes}");
    // On a busy machine a run is INVALID, and is repeated.
    let runs: Vec<&Value> = answer["runs"].as_array().unwrap().iter().filter(|run| run["valid"] == true).collect();
    assert_eq!((runs.len(), &runs[1]["system"], &runs[1]["outage_s"]), (2, &"reused".into(), &0.0.into()), "{answer}");

    for file in ["report.html", "certificate.png", "certificate.svg", "cells.csv", "campaign.toml"] {
        assert!(fs::metadata(campaign.join(file)).is_ok_and(|file| file.len() > 0), "{file}");
    }
    let table = fs::read_to_string(campaign.join("cells.csv")).unwrap();
    let (page, report) = (documentation(), fs::read_to_string(campaign.join("report.html")).unwrap());
    for run in runs.iter().map(|run| run["folder"].as_str().unwrap()) {
        assert!(campaign.join("cells").join(run).join("report.html").exists(), "{run}");
        assert!(table.contains(run) && report.contains(&format!("href=\"cells/{run}/report.html\"")), "{run}: {table}");
    }
    for column in table.lines().next().unwrap().split(',') {
        assert!(page.contains(column), "docs/laboratory.md does not name the column {column}");
    }
    let mut written = BTreeSet::new();
    keys(&answer, &mut written);
    let unknown: Vec<_> = written.iter().filter(|key| !page.contains(*key)).collect();
    assert!(unknown.is_empty(), "docs/laboratory.md does not name {unknown:?}");
}

/// The names in the tables of the page, and in the text of their rows.
fn documentation() -> BTreeSet<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/laboratory.md")).unwrap();
    let name = Regex::new(r"`([a-z_.*]+)`").unwrap();
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| name.captures_iter(row).map(|found| found[1].to_owned()).collect::<Vec<_>>());
    names.flat_map(|path| path.split('.').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Writes an experiment on a running system, which its fault does not affect.
fn write_experiment(dir: &Path, server: &Server) {
    let text = format!(
        "name = \"t\"\n[target]\nurl = \"{}\"\n[load]\nrate = 100\nwhen-busy = \"open\"\n\
         [phases]\nwarmup = \"0s\"\nbaseline = \"5s\"\n[[fault]]\nkind = \"surge\"\nfactor = 2\nfor = \"1s\"\n",
        server.url()
    );
    fs::write(dir.join("x.toml"), text).unwrap();
}

#[test]
fn a_campaign_that_is_killed_is_resumed_and_a_complete_one_makes_no_more_runs() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    write_experiment(dir.path(), &server);
    let running = started(METAWRK, dir.path(), &["certify", "x.toml", "--dwell", "10s"]);
    let first = || campaign(dir.path()).join("cells/100-1s-s1");
    let results = dir.path().join("results");
    eventually("the folder", || fs::read_dir(&results).is_ok_and(|mut entries| entries.next().is_some()));
    eventually("records", || fs::metadata(first().join("requests.rows")).is_ok_and(|rows| rows.len() > 1000));
    let folder = campaign(dir.path());
    let resume = ["certify", "--resume", folder.to_str().unwrap()];
    assert_refused(METAWRK, dir.path(), &resume, "another process runs the campaign in");
    running.send(Signal::KILL);
    assert_eq!(running.end().code, None);

    let ended = certify(dir.path(), &[&resume[1..], &["--json", "answer.json"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let answer = json(&folder);
    // On a busy machine a run is INVALID, and is repeated.
    let valid = answer["runs"].as_array().unwrap().iter().filter(|run| run["valid"] == true).count();
    assert_eq!((answer["answer"].as_str(), valid), (Some("NOT STUCK"), 1), "{ended:?}");
    assert!(folder.join("cells/unfinished-100-1s-s1/experiment.toml").exists() && first().join("cell.json").exists());

    let before = fs::read_to_string(folder.join("campaign.json")).unwrap();
    let sent = server.connections.load(std::sync::atomic::Ordering::SeqCst);
    let again = run(METAWRK, dir.path(), &resume);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(fs::read_to_string(folder.join("campaign.json")).unwrap(), before);
    assert_eq!(server.connections.load(std::sync::atomic::Ordering::SeqCst), sent, "no run was made");
}

#[test]
fn an_interrupted_campaign_keeps_what_it_has_and_says_how_to_go_on() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    write_experiment(dir.path(), &server);
    let running = started(METAWRK, dir.path(), &["certify", "x.toml"]);
    eventually("load", || server.requests.lock().unwrap().len() > 20);
    running.send(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("UNANSWERED at 100 requests/s: SIGINT ended the campaign"), "{ended:?}");
    let campaign = campaign(dir.path());
    assert_eq!(json(&campaign)["runs"].as_array().map(Vec::len), Some(0));
    assert!(campaign.join("cells/100-1s-s1/report.html").exists() && campaign.join("report.html").exists());
}

#[test]
fn what_cannot_be_certified_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], message| assert_refused(METAWRK, dir.path(), &[&["certify"], args].concat(), message);
    refused(&["--outage", "0s"], "a certificate needs a fault that leaves the system stuck. Add a [[fault]] section");
    refused(&["--dwell", "1s"], "--dwell: must be between 10s and 24h, not 1s");
    refused(&["--resume", "."], "contains no campaign.toml: it is not the folder of a campaign");
    refused(&["--resume", ".", "--rate", "100"], "cannot be used with");
    fs::write(dir.path().join("campaign.toml"), "command = 'search'\n[experiment]\nname = 'x'\n").unwrap();
    refused(&["--resume", "."], "campaign.toml:2: experiment: missing field `load`");
    assert!(!dir.path().join("results").exists(), "nothing was written");
}
