//! Searches and maps from the command line: one on a system with two states, and what is refused.

mod support;

use std::fs;

use support::campaign::{Frozen, Lab, bistable_server, experiment, read_answer, valid_cells};
use support::program::{METAWRK, assert_refused, eventually};

/// More than 220 requests within a second break the server. Twice the doubled load breaks it after 0.4 s.
#[test]
fn a_search_that_is_killed_after_its_first_run_goes_on_with_the_second() {
    let (server, frozen) = (bistable_server(), Frozen::new());
    let lab = Lab::with(&experiment(&server, &frozen));
    let search = ["search", "outage", "x.toml", "--between", "200ms..2s", "--max-runs", "3"];
    let running = lab.start(&[&search[..], &["--dwell", "10s", "--shed", "2s"]].concat());
    eventually("the first run", || !lab.finished().is_empty());
    let first = lab.finished();
    lab.kill(running);

    let ended = lab.end(lab.resume());
    assert_eq!(ended.code, Some(17), "{ended:?}");
    let campaign = lab.campaign().unwrap();
    let answer = read_answer(&campaign);
    // The third run is at the geometric mean of the ends of the range.
    assert_eq!(valid_cells(&answer), [(100.0, 2.0, 1), (100.0, 0.2, 2), (100.0, 0.632, 3)], "{ended:?}");
    assert!(first.iter().all(|(run, record)| lab.finished().get(run) == Some(record)), "{first:?}");
    assert_eq!((&answer["answer"], &answer["searched"]), (&"IMPRECISE".into(), &"outage".into()));
    assert!(ended.out.contains("shortest outage that tips the system: "), "{ended:?}");
    for file in ["report.html", "search.png", "search.svg", "cells.csv"] {
        assert!(fs::metadata(campaign.join(file)).is_ok_and(|file| file.len() > 0), "{file}");
    }
    let resume = ["search", "outage", "--resume", campaign.to_str().unwrap(), "--precision", "8", "--exit-code"];
    let found = lab.end(lab.start(&resume));
    assert_eq!(found.code, Some(0), "three runs are precise enough now: {found:?}");
    assert_eq!(read_answer(&campaign)["answer"], "FOUND");
    assert!(fs::read_to_string(campaign.join("campaign.toml")).unwrap().contains("precision = 8.0"));
    frozen.assert_runs();
}

#[test]
fn what_cannot_be_searched_or_mapped_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |line: &str, message| {
        assert_refused(METAWRK, dir.path(), &line.split(' ').collect::<Vec<_>>(), message);
    };
    refused("search outage --outage 0s", "needs a fault that has a length. Add a [[fault]] section");
    refused("search outage --between 5s", "`5s` is not a range. Write one like 50ms..10s");
    refused("search outage --between 10s..1s", "--between: the range 10..1 cannot be searched");
    refused("search outage --precision 1", "Write a number of at least 1.02, such as 1.1");
    refused("search rate --between 100..1G", "must be between 0.001 and 1000000 requests/s");
    refused("search rate --resume . --between 1..2", "cannot be used with");
    refused("map --rates 100,x", "`x` is not a number");
    refused("map --rates 200 --outage 0s", "needs a fault that has a length");
    assert!(!dir.path().join("results").exists(), "nothing was written");
}
