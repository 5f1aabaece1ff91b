//! `metawrk report` on results folders that are complete, cut by a crash, damaged or missing.

mod support;

use std::fs;

use support::program::{METAWRK, assert_refused, run};
use support::results::{contents, create_results};

#[test]
fn a_report_that_is_written_twice_has_the_same_bytes() {
    let results = tempfile::tempdir().unwrap();
    let dir = create_results(results.path());
    let first = run(METAWRK, &dir, &["report", ".", "--exit-code"]);
    assert_eq!(first.code, Some(20), "{first:?}");
    assert!(first.out.contains("INVALID: the run was killed"), "{first:?}");
    let once = contents(&dir);
    let names: Vec<&str> = once.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"requests.parquet") && !names.contains(&"requests.rows"), "{names:?}");
    assert!(once.len() >= 15, "{names:?}");
    let second = run(METAWRK, &dir, &["report", "."]);
    assert_eq!((second.code, second.out), (Some(0), first.out));
    for (one, other) in once.iter().zip(contents(&dir)) {
        assert!(*one == other, "{} changed", one.0);
    }
    assert_eq!(contents(&dir).len(), once.len());
}

#[test]
fn lines_that_a_crash_left_incomplete_are_ignored() {
    let results = tempfile::tempdir().unwrap();
    let dir = create_results(results.path());
    for (file, torn) in
        [("events.jsonl", &b"{\"at_ns\":9,\"eve"[..]), ("samples.csv", b"77,a,1"), ("requests.rows", b"tor")]
    {
        let mut bytes = fs::read(dir.join(file)).unwrap();
        bytes.extend(torn);
        fs::write(dir.join(file), bytes).unwrap();
    }
    let ended = run(METAWRK, &dir, &["report", "."]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let summary = fs::read_to_string(dir.join("summary.json")).unwrap();
    assert!(summary.contains("\"scheduled\": 200,"), "{summary}");
}

#[test]
fn a_missing_or_damaged_file_of_a_results_folder_is_named() {
    let results = tempfile::tempdir().unwrap();
    for (file, text, message) in [
        ("experiment.toml", None, "contains no experiment.toml"),
        ("experiment.toml", Some("x = ["), "experiment.toml: it has changed since the run wrote it"),
        ("events.jsonl", None, "contains no events.jsonl"),
        ("events.jsonl", Some("{}\n"), "events.jsonl:1: "),
        ("samples.csv", Some("1,2\n"), "samples.csv: its first line is not"),
        ("requests.parquet", None, "contains no requests.parquet"),
        ("requests.parquet", Some("PAR1 garbage PAR1"), "requests.parquet: it has changed since the run wrote it"),
        ("SHA256SUMS", Some("garbage"), "SHA256SUMS: it is damaged"),
        ("requests.rows", Some("garbage"), "requests.rows: it is not a file of request rows"),
    ] {
        let dir = create_results(results.path());
        // As long as requests.rows exists, it is read instead.
        if file == "requests.parquet" {
            assert_eq!(run(METAWRK, &dir, &["report", "."]).code, Some(0));
        }
        let path = dir.join(file);
        match text {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        assert_refused(METAWRK, &dir, &["report", "."], message);
    }
    // A folder of an earlier version has no checksums.
    let dir = create_results(results.path());
    fs::remove_file(dir.join("SHA256SUMS")).unwrap();
    fs::write(dir.join("experiment.toml"), "x = [").unwrap();
    assert_refused(METAWRK, &dir, &["report", "."], "experiment.toml:1: ");
    assert_refused(METAWRK, results.path(), &["report", "nowhere"], "nowhere contains no experiment.toml");
    assert_refused(METAWRK, results.path(), &["report", "."], "contains no experiment.toml");
}
