//! Every query of docs/questions.md, run by DuckDB over a real run, gives the figures that the run's own report gives.
//!
//! `METAWRK_DUCKDB_PYTHON` names a Python that has DuckDB. Without it the test prints a notice and passes; `.ci/run` sets it.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use metawrk::report::summary::Summary;
use metawrk::stats::percentile_rank;
use regex::Regex;
use rustix::process::Signal;
use serde_json::Value;
use support::program::{METAWRK, eventually, started};

/// Runs the queries, a JSON array of names and texts, in their order. Prints the rows of each, as objects.
const RUNNER: &str = "
import duckdb, json, sys
connection, answers = duckdb.connect(), {}
for name, sql in json.load(sys.stdin):
    try:
        result = connection.execute(sql)
        columns = [column[0] for column in result.description]
        answers[name] = [dict(zip(columns, row)) for row in result.fetchall()]
    except duckdb.Error as error:
        sys.exit(f'{name}: {error}')
json.dump(answers, sys.stdout, default=float)
";

/// The name of a query of this test, for all response times in their order.
const SORTED: &str = "sorted";
/// The rows that have a response time in the report.
const RESPONSES: &str = "last AND NOT warmup AND (outcome = 'answered' OR lower_bound)";

type Row = BTreeMap<String, Value>;

/// The queries of the page in their order, each with the heading above it.
fn queries() -> Vec<(String, String)> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/questions.md")).unwrap();
    let part = Regex::new(r"(?m)^#+ (.*)$|(?s)```sql\n(.*?)```").unwrap();
    let (mut heading, mut queries) = (String::new(), Vec::new());
    for found in part.captures_iter(&page) {
        match (found.get(1), found.get(2)) {
            (Some(text), _) => heading = text.as_str().to_owned(),
            (_, Some(sql)) => queries.push((heading.clone(), sql.as_str().to_owned())),
            _ => {}
        }
    }
    queries
}

/// A Python with DuckDB, if the test has one.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("METAWRK_DUCKDB_PYTHON").map(PathBuf::from);
    if python.is_none() {
        // The test harness captures `eprintln!` of a passing test, but not this.
        let notice = "\nSKIPPED, not tested: set METAWRK_DUCKDB_PYTHON to a Python with DuckDB\n";
        let _ = writeln!(std::io::stderr(), "{notice}");
    }
    python
}

/// Runs a retry storm with few connections, interrupts it once an event contains `until`, and returns its results. The
/// link is cut in it: requests are abandoned, retried and left unsent.
fn run_experiment(dir: &Path, seed: &str, until: &str) -> PathBuf {
    let text = "name = 'q'\n[testbed]\nscenario = 'retry-storm'\n[load]\nrate = 60\narrivals = 'exp'\nconnections = 8\n\
        script = 'compose-post'\ntimeout = '200ms'\nretries = { count = 2, backoff = '0s' }\n\
        [phases]\nwarmup = '1s'\nbaseline = '5s'\n[verdict]\nslo = '1s'\n[[fault]]\nkind = 'link-cut'\nfor = '2s'\n\
        [[monitor]]\nkind = 'process'\ncomponent = 'compose-post'\n";
    fs::write(dir.join("x.toml"), text).unwrap();
    let running = started(METAWRK, dir, &["experiment", "x.toml", "--anyway", "--seed", seed, "--out", seed]);
    let results = dir.join(seed).join("latest");
    let has_happened = || fs::read_to_string(results.join("events.jsonl")).is_ok_and(|events| events.contains(until));
    eventually(until, has_happened);
    running.send(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    results
}

/// The answers to all queries, in the results folder `dir`.
fn ask(python: &Path, dir: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut child = Command::new(python)
        .args(["-c", RUNNER])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut queries = queries();
    queries
        .push((SORTED.to_owned(), format!("SELECT response_ns FROM requests WHERE {RESPONSES} ORDER BY response_ns")));
    let queries = serde_json::to_vec(&queries).unwrap();
    child.stdin.take().unwrap().write_all(&queries).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].as_f64().unwrap_or_else(|| panic!("no number in {column}: {row:?}"))
}

fn sum(rows: &[Row], column: &str) -> f64 {
    rows.iter().filter_map(|row| row[column].as_f64()).sum()
}

/// The largest number of a column.
fn max(rows: &[Row], column: &str) -> f64 {
    rows.iter().filter_map(|row| row[column].as_f64()).fold(0.0, f64::max)
}

/// Histograms have three digits.
fn assert_close(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 0.002 * expected.abs() + 0.001,
        "{what}: {found}, but the report has {expected}"
    );
}

#[test]
fn every_query_gives_the_figures_of_the_report() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let results = run_experiment(dir.path(), "1", "removal-verified");
    let other = run_experiment(dir.path(), "2", "effective");
    for (part, from) in [&results, &other].into_iter().enumerate() {
        let folder = results.join(format!("parts/part={part}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(from.join("requests.parquet"), folder.join("requests.parquet")).unwrap();
    }
    let read = |dir: &Path| serde_json::from_slice::<Summary>(&fs::read(dir.join("summary.json")).unwrap()).unwrap();
    let (summary, of_other) = (read(&results), read(&other));
    let account = summary.account.account;
    assert!(account.lower_bounds > 0 && account.attempts > account.scheduled - account.unsent, "{account:?}");

    let mut answers = ask(&python, &results);
    let mut answer = |heading: &str| {
        let rows = answers.remove(heading).unwrap_or_else(|| panic!("no query `{heading}`"));
        assert!(!rows.is_empty(), "{heading}: no rows");
        rows
    };

    let rows = answer("How did the requests end?");
    let count = |outcome: &str| {
        sum(&rows.iter().filter(|row| row["outcome"] == outcome).cloned().collect::<Vec<_>>(), "requests")
    };
    assert_eq!(sum(&rows, "requests"), account.scheduled as f64);
    for (outcome, requests) in
        [("answered", account.answered), ("unanswered", account.unanswered), ("unsent", account.unsent)]
    {
        assert_eq!(count(outcome), requests as f64, "{outcome}");
    }

    let rows = answer("What were the response times?");
    let response = summary.response;
    assert_eq!(number(&rows[0], "requests"), response.count as f64);
    assert_eq!(number(&rows[0], "lower_bounds"), summary.response_lower_bounds as f64);
    let sorted: Vec<f64> = answer(SORTED).iter().map(|row| number(row, "response_ns") / 1e6).collect();
    for (column, percent, us) in [
        ("p50_ms", 50.0, response.p50),
        ("p90_ms", 90.0, response.p90),
        ("p99_ms", 99.0, response.p99),
        ("max_ms", 100.0, response.max),
    ] {
        let rank = percentile_rank(response.count, percent) as usize;
        assert_close(column, sorted[rank - 1], us as f64 / 1e3);
        // SQL rounds the rank up, the report to the nearest.
        let found = number(&rows[0], column);
        assert!(sorted[rank - 1..].iter().take(2).any(|time| *time == found), "{column}: {found}");
    }

    let intervals = &summary.intervals;
    let at = |counts: &[u64], row: &Row| counts[number(row, "second") as usize] as f64;
    assert_eq!(intervals.width_ns, 1_000_000_000);
    let rows = answer("What was the goodput of each second?");
    for row in &rows {
        assert_eq!(number(row, "due"), at(&intervals.due, row), "{row:?}");
        assert_eq!(number(row, "good"), at(&intervals.good, row), "{row:?}");
    }
    assert_eq!(sum(&rows, "due"), account.scheduled as f64);

    let rows = answer("How long did the answers of each status take?");
    let errors: Vec<Row> = rows.iter().filter(|row| number(row, "status") > 399.0).cloned().collect();
    assert_eq!(sum(&errors, "answers"), account.errors.status as f64);

    let rows = answer("Which requests were the slowest?");
    assert_close("the slowest", number(&rows[0], "response_ms"), response.max as f64 / 1e3);

    let rows = answer("What changed during and after the fault?");
    let phases: Vec<&str> = rows.iter().filter_map(|row| row["phase"].as_str()).collect();
    assert_eq!(phases[..2], ["1 before", "2 during"]);
    let warmup = intervals.due[0] as f64;
    assert_eq!(sum(&rows, "due"), account.scheduled as f64 - warmup);
    assert!(number(&rows[1], "goodput_percent") < number(&rows[0], "goodput_percent"), "{rows:?}");

    let rows = answer("Which errors were there, and when?");
    for second in 0..intervals.errors.len() {
        let of_second: Vec<Row> = rows.iter().filter(|row| number(row, "second") == second as f64).cloned().collect();
        assert_eq!(sum(&of_second, "attempts"), intervals.errors[second] as f64, "second {second}");
    }

    let rows = answer("Was the generator late?");
    assert_close("max send lag", max(&rows, "max_us"), summary.send_lag.max_ns as f64 / 1e3);

    let rows = answer("How often were requests retried, and did it help?");
    let attempts: f64 = rows.iter().map(|row| number(row, "attempts") * number(row, "requests")).sum();
    // A retry that was still waiting when the run ended was never made.
    let waiting = account.unanswered as f64;
    assert!((0.0..=waiting).contains(&(attempts - account.attempts as f64)), "{attempts}, {account:?}");

    let rows = answer("How much load did the retries add?");
    let (attempts, most) = (sum(&rows, "attempts"), account.attempts as f64);
    assert!(attempts <= most && attempts >= most - account.errors.connect as f64 - waiting, "{attempts}, {account:?}");
    assert!(max(&rows, "amplification") > 1.0, "{rows:?}");

    let rows = answer("How many requests were in flight, and how many waited?");
    // The last second is not a whole one. The digest counts in steps that are no seconds, so that single seconds differ.
    let whole = intervals.backlog.len() - 1;
    let of_report: f64 = intervals.backlog[..whole].iter().sum();
    let found: f64 = rows.iter().take(whole).filter_map(|row| row["backlog"].as_f64()).sum();
    assert!((found - of_report).abs() < 0.1 * of_report + 1.0, "{found}, {of_report}");

    let rows = answer("What was the most in flight at once?");
    // The generator reads a response some time after it arrived, and counts it as in flight until then.
    let most = summary.generator.own.in_flight_max as f64;
    assert!((1.0..=most).contains(&number(&rows[0], "in_flight")), "{rows:?}, {most}");

    let rows = answer("Was one connection slower than the others?");
    assert!(sum(&rows, "answers") >= account.answered as f64);

    let rows = answer("How much memory did the system use while its goodput was low?");
    assert!(rows.iter().all(|row| row["source"] == "compose-post") && max(&rows, "memory_mib") > 1.0, "{rows:?}");

    let rows = answer("Which part of several had the lowest goodput?");
    let due: BTreeMap<u64, f64> = rows.iter().map(|row| (number(row, "part") as u64, number(row, "due"))).collect();
    let scheduled = [&summary, &of_other].map(|summary| summary.account.account.scheduled as f64);
    assert_eq!(due, BTreeMap::from([(0, scheduled[0]), (1, scheduled[1])]));

    // The requests of an interrupted run that were due and never sent: of the one that ended during its outage.
    let rows = answers.remove("Which requests were never sent?").unwrap();
    assert_eq!(sum(&rows, "unsent"), account.unsent as f64);
    let of_other_run = ask(&python, &prepare_alone(&other));
    assert_eq!(sum(&of_other_run["Which requests were never sent?"], "unsent"), of_other.account.account.unsent as f64);

    answers.remove("Questions to the records");
    assert!(answers.is_empty(), "not compared: {:?}", answers.keys());
}

/// A results folder with its own records as its only part.
fn prepare_alone(results: &Path) -> PathBuf {
    let folder = results.join("parts/part=0");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(results.join("requests.parquet"), folder.join("requests.parquet")).unwrap();
    results.to_owned()
}
