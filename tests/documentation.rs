//! The documentation agrees with the programs: every column, key and option that a page names exists, every existing
//! one is documented, and every link has a target.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use metawrk::record::Outcome;
use parquet::file::reader::{FileReader, SerializedFileReader};
use regex::Regex;
use rustix::process::Signal;
use serde_json::Value;
use support::program::{METAWRK, WRK2, children, eventually, kill, run, started};
use support::scrape::{Metrics, free_address, get};
use support::{OK, Server, schema};

type Names = BTreeSet<String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README, CONTRIBUTING, CHANGELOG and all of docs/, by their paths from the root.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let docs = docs.map(|path| path.strip_prefix(root()).unwrap().to_owned());
    let others = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from);
    let mut pages: Vec<_> = docs.chain(others).map(|path| (path.clone(), read(path))).collect();
    pages.sort();
    pages
}

/// The text between the heading `heading` of `page` and the next heading of the same or a higher level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading `{heading}`"));
    let body = &page[from + heading.len() + 2..];
    let level = heading.bytes().take_while(|&byte| byte == b'#').count();
    let next = Regex::new(&format!("(?m)^#{{1,{level}}} ")).unwrap();
    &body[..next.find(body).map_or(body.len(), |found| found.start())]
}

/// The rows of all tables in a section whose first cell is code: that code, and the whole row.
fn rows(section: &str) -> Vec<(String, String)> {
    let row = Regex::new(r"(?m)^\| `([^`]+)` \|.*$").unwrap();
    row.captures_iter(section).map(|found| (found[1].to_owned(), found[0].to_owned())).collect()
}

fn names(section: &str) -> Names {
    rows(section).into_iter().map(|(name, _)| name).collect()
}

fn owned<const N: usize>(names: [&str; N]) -> Names {
    names.map(str::to_owned).into()
}

/// Every name that is written must be documented, and the reverse. A row that says "Left out" is optional.
fn compare(what: &str, documented: &str, written: &Names) {
    let rows = rows(documented);
    let documented: Names = rows.iter().map(|(name, _)| name.clone()).collect();
    let missing: Vec<_> = written.difference(&documented).collect();
    assert!(missing.is_empty(), "{what}: written, and not documented: {missing:?}");
    let optional: Names =
        rows.iter().filter(|(_, row)| row.contains("Left out")).map(|(name, _)| name.clone()).collect();
    let stale: Vec<_> = documented.difference(written).filter(|name| !optional.contains(*name)).collect();
    assert!(stale.is_empty(), "{what}: documented, and not written: {stale:?}");
}

/// The paths of all values: `a.b`, `a[].b` for the objects of an array. Other arrays are values.
fn paths(value: &Value, at: &str, found: &mut Names) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| paths(value, &below(name), found)),
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            items.iter().for_each(|item| paths(item, &format!("{at}[]"), found));
        }
        _ => drop(found.insert(at.to_owned())),
    }
}

fn json(path: &Path) -> Names {
    let mut found = Names::new();
    paths(&serde_json::from_str(&read(path)).unwrap(), "", &mut found);
    found
}

/// Replaces each `NAME.*` of a section by the keys of `model`, which the section lists in full.
fn expanded(section: &str, models: &[(&str, &str)]) -> String {
    let all = names(section);
    let mut section = section.to_owned();
    for (name, model) in models {
        assert!(all.contains(&format!("{name}.*")), "no row `{name}.*`");
        let keys = all.iter().filter_map(|known| known.strip_prefix(&format!("{model}.")));
        let rows: String = keys.map(|key| format!("| `{name}.{key}` | |\n")).collect();
        assert!(!rows.is_empty(), "no row `{model}.`");
        let row = Regex::new(&format!(r"(?m)^\| `{}\.\*` \|.*\n", regex::escape(name))).unwrap();
        section = row.replace(&section, rows.as_str()).into_owned();
    }
    section
}

/// The schema `name` has exactly the documented keys, and the file is as it says.
fn check_schema(name: &str, documented: &str, file: &Path) {
    schema::check(name, &serde_json::from_str(&read(file)).unwrap());
    // The documentation does not repeat the keys of a URL, and those of a generator in a list of several.
    let is_repeated = |path: &str| path.starts_with("generator.parts[]") || path.starts_with("urls[]");
    let of_schema: Names = schema::paths(name).into_iter().filter(|path| !is_repeated(path)).collect();
    let documented: Names =
        names(documented).into_iter().filter(|path| path != "generator.parts" && !is_repeated(path)).collect();
    assert_eq!(of_schema, documented, "schema/{name}.schema.json");
}

#[test]
fn what_a_load_writes_is_documented() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let load = |files: &[&str]| {
        let url = server.url();
        let args = [&["-t1", "-c2", "-d300ms", "-R50", "-s", "compose-post"], files, &[&url]].concat();
        let ended = run(WRK2, dir.path(), &args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    let page = read("docs/output.md");

    load(&["--record", "x.csv", "--json", "x.json", "--fail-if", "errors>100%"]);
    let csv = read(dir.path().join("x.csv"));
    let columns = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let records = section(&page, "## Records of requests");
    let (columns_documented, outcomes) = records.split_once("| outcome | meaning |").unwrap();
    let in_order: Vec<String> = rows(columns_documented).into_iter().map(|(name, _)| name).collect();
    assert_eq!(in_order, columns(csv.lines().next().unwrap()), "records as CSV");
    assert_eq!(names(outcomes), Outcome::ALL.map(|outcome| outcome.name().to_owned()).into(), "outcomes");

    load(&["--record", "x.parquet"]);
    let file = SerializedFileReader::new(fs::File::open(dir.path().join("x.parquet")).unwrap()).unwrap();
    let schema = file.metadata().file_metadata().schema_descr();
    let written: Vec<String> = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    assert_eq!(in_order, written, "records as Parquet");

    let documented = section(&page, "## JSON of a load");
    let models = [
        ("account.errors", "errors"),
        ("service", "response"),
        ("send_lag_ns", "response"),
        ("wakeup_latency_ns", "response"),
    ];
    let documented = expanded(documented, &models);
    check_schema("load", &documented, &dir.path().join("x.json"));
    let all = json(&dir.path().join("x.json"));
    // Each URL's own numbers are those of the whole.
    let total: Names = all.iter().filter(|path| !path.starts_with("urls[].")).cloned().collect();
    let own: Names = all.iter().filter_map(|path| path.strip_prefix("urls[].")).map(str::to_owned).collect();
    let kept = documented.replace("| `urls[].url` |", "| |").replace("| `urls[].*` |", "| |");
    assert_ne!(kept, documented);
    compare("--json", &kept, &total);
    let numbers: Names = total
        .into_iter()
        .filter(|path| {
            !path.starts_with("plan[]")
                && !path.starts_with("thresholds[]")
                && !path.starts_with("origin.")
                && !["schema", "program", "started", "ended"].contains(&&path[..])
        })
        .collect();
    assert_eq!(own, &numbers | &owned(["url"]), "--json, each URL");
}

#[test]
fn progress_as_json_is_documented() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let ended = run(WRK2, dir.path(), &["-d1200ms", "-R50", "--progress", "json=x.jsonl", &server.url()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = read(dir.path().join("x.jsonl"));
    let mut written = Names::new();
    paths(&serde_json::from_str(lines.lines().next().unwrap()).unwrap(), "", &mut written);
    let page = read("docs/output.md");
    let first_cells = Regex::new(r"(?m)^\| (`[^|]*`) \|").unwrap();
    let cells = first_cells.captures_iter(section(&page, "### Progress as JSON"));
    let documented: Names = cells.flat_map(|found| codes(&found[1])).collect();
    assert_eq!(documented, written);
}

#[test]
fn live_metrics_are_documented() {
    let server = Server::answering(OK);
    let (url, address) = (server.url(), free_address());
    let at = address.to_string();
    let running = started(WRK2, root(), &["-d1h", "-R50", "--prometheus", &at, &url]);
    let mut text = String::new();
    eventually("metrics", || {
        text = get(address, "/metrics").map_or_else(String::new, |(_, text)| text);
        text.contains("metawrk_phase")
    });
    running.send(Signal::INT);
    assert_eq!(running.end().code, Some(130));
    let page = read("docs/output.md");
    let documented = section(&page, "### Metrics for Prometheus");
    let first_cells = Regex::new(r"(?m)^\| (`[^|]*`) \|.*$").unwrap();
    // One row for each name.
    let rows = first_cells.captures_iter(documented);
    let rows: String = rows
        .flat_map(|row| {
            codes(&row[1]).into_iter().map(|name| row[0].replace(&row[1], &format!("`{name}`"))).collect::<Vec<_>>()
        })
        .map(|row| row + "\n")
        .collect();
    compare("metrics", &rows, &Metrics::parse(&text).types.into_keys().collect());
    let dashboard = read("grafana/metawrk.json");
    serde_json::from_str::<Value>(&dashboard).unwrap();
    let name = Regex::new(r"metawrk_[a-z_]+").unwrap();
    for found in name.find_iter(&dashboard).map(|found| found.as_str().trim_end_matches("_bucket")) {
        assert!(names(&rows).contains(found), "grafana/metawrk.json: there is no {found}");
    }
}

/// The experiment has few connections, which is a warning, is stopped for a while, and ends early, because a component dies after the fault. So it
/// writes every kind of event.
#[test]
fn what_an_experiment_writes_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let text = "name = 't'\n[testbed]\n[load]\nrate = 50\nconnections = 2\nscript = 'compose-post'\n\
        [phases]\nwarmup = '0s'\nbaseline = '5s'\n[verdict]\nslo = '1s'\n\
        [[fault]]\nkind = 'link'\nfor = '200ms'\n[[monitor]]\nkind = 'process'\ncomponent = 'post-db'\n\
        [[threshold]]\nfail-if = 'errors>100%'\n";
    fs::write(dir.path().join("x.toml"), text).unwrap();
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    let results = dir.path().join("results/latest");
    let events = || fs::read_to_string(results.join("events.jsonl")).unwrap_or_default();
    eventually("the removal of the fault", || events().contains("removal-verified"));
    // A stopped process is a stall.
    running.send(Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(700));
    running.send(Signal::CONT);
    eventually("the stall", || events().contains("\"stall\""));
    let roles = children(running.pid());
    let db = roles.iter().find(|(_, arguments)| arguments.iter().any(|argument| argument == "post-db"));
    kill(db.unwrap().0, Signal::KILL);
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let page = read("docs/output.md");

    let samples = read(results.join("samples.csv"));
    let written: Names = samples.lines().next().unwrap().split(',').map(str::to_owned).collect();
    compare("samples.csv", section(&page, "## samples.csv"), &written);

    let events: Vec<Value> = events().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |event: &Value| event["event"].as_str().unwrap().to_owned();
    let kinds: Names = events.iter().map(kind).collect();
    let heading = Regex::new(r"(?m)^### Event `(.*)`$").unwrap();
    let documented: Names = heading.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert_eq!(documented, kinds, "kinds of events");
    for kind_of in kinds {
        let mut fields = Names::new();
        events.iter().filter(|event| kind(event) == kind_of).for_each(|event| paths(event, "", &mut fields));
        let written = &fields - &owned(["at_ns", "event"]);
        compare(&kind_of, section(&page, &format!("### Event `{kind_of}`")), &written);
    }

    let documented = expanded(section(&page, "## summary.json"), &[("service", "response")]);
    compare("summary.json", &documented, &json(&results.join("summary.json")));
    check_schema("summary", &documented, &results.join("summary.json"));

    let files: Names = fs::read_dir(&results)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.replace("-t0.", "-t<N>.").replace(".svg", ".png"))
        .collect();
    let is_described = |file: &String| page.contains(&format!("`{file}`")) || page.contains(&format!("## {file}\n"));
    let unknown: Vec<_> = files.iter().filter(|file| !is_described(file)).collect();
    assert!(unknown.is_empty(), "written, and not in docs/output.md: {unknown:?}");
}

/// The texts in backticks.
fn codes(text: &str) -> Names {
    let code = Regex::new("`([^`]*)`").unwrap();
    code.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// The valid names that the program lists in its error about an unknown name in an experiment.
fn known_names(experiment: &str) -> Names {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.toml"), experiment).unwrap();
    let ended = run(METAWRK, dir.path(), &["check", "x.toml"]);
    expected_names(&ended.out)
}

/// The valid names in an error about an unknown one.
fn expected_names(error: &str) -> Names {
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
    codes(expected.lines().next().unwrap().split(';').next().unwrap())
}

fn with_fault(keys: &str) -> String {
    format!("name = 't'\n[testbed]\n[load]\nrate = 100\n[[fault]]\nfor = '1s'\n{keys}\n")
}

#[test]
fn every_key_of_an_experiment_file_is_documented() {
    let page = read("docs/experiments.md");
    let cases = [
        ("### `[testbed]`: a system that the run starts", "[load]\nrate = 1\n[testbed]\n"),
        ("### `[target]`: a running system", "[load]\nrate = 1\n[target]\nurl = 'http://localhost'\n"),
        ("### `[load]`", "[load]\nrate = 1\n"),
        ("### `[phases]`", "[load]\nrate = 1\n[phases]\n"),
        ("### `[verdict]`", "[load]\nrate = 1\n[verdict]\n"),
        ("### `[[threshold]]`: any number", "[load]\nrate = 1\n[[threshold]]\n"),
        ("### `[[monitor]]`: any number", "[load]\nrate = 1\n[[monitor]]\nkind = 'process'\n"),
    ];
    for (heading, table) in cases {
        let known = known_names(&format!("name = 't'\n{table}bogus = 1\n"));
        compare(heading, section(&page, heading), &known);
    }
    // Each kind of fault has different keys.
    let kinds = known_names(&with_fault("kind = 'bogus'"));
    let known =
        kinds.iter().flat_map(|kind| known_names(&with_fault(&format!("kind = '{kind}'\nbogus = 1")))).collect();
    compare("faults", section(&page, "### `[[fault]]`: any number"), &known);
}

#[test]
fn every_key_of_a_twin_and_of_its_answer_is_documented() {
    let page = read("docs/twin.md");
    let dir = tempfile::tempdir().unwrap();
    let known = |text: &str| {
        fs::write(dir.path().join("x.toml"), text).unwrap();
        expected_names(&run(METAWRK, dir.path(), &["twin", "run", "x.toml"]).err)
    };
    let top = section(&page, "## The twin file").split("\n### ").next().unwrap();
    compare("twin", top, &known("bogus = 1"));
    for table in ["system", "mitigation", "outage"] {
        let heading = format!("### `[{table}]`");
        compare(&heading, section(&page, &heading), &known(&format!("[{table}]\nbogus = 1")));
    }
    for (key, table) in [("costly", "system"), ("admission", "mitigation"), ("shed", "mitigation")] {
        for name in known(&format!("[{table}]\n{key} = {{ bogus = 1 }}")) {
            let (_, row) = rows(&page).into_iter().find(|(row, _)| row == key).unwrap();
            assert!(row.contains(&format!("`{name}`")), "{key}: {name} is not documented");
        }
    }

    let file = root().join("experiments/twin/sregym.toml");
    let ended = run(METAWRK, dir.path(), &["twin", "run", file.to_str().unwrap(), "--json", "x.json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    compare("twin --json", section(&page, "## The answer as JSON"), &json(&dir.path().join("x.json")));

    let map = ["twin", "map", file.to_str().unwrap(), "--rates", "8", "--seeds", "1", "--json", "map.json"];
    let ended = run(METAWRK, dir.path(), &map);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    compare("map.json", section(&page, "## The map as JSON"), &json(&dir.path().join("map.json")));
}

#[test]
fn every_key_of_a_comparison_is_documented() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let url = server.url();
    let ended = run(WRK2, dir.path(), &["-t1", "-c2", "-d300ms", "-R50", "--record", "x.parquet", &url]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = run(METAWRK, dir.path(), &["compare", "x.parquet", "x.parquet", "--json", "x.json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let page = read("docs/compare-runs.md");
    compare("compare --json", section(&page, "## The comparison as JSON"), &json(&dir.path().join("x.json")));
}

#[test]
fn every_kind_of_fault_is_documented() {
    let known = known_names(&with_fault("kind = 'bogus'"));
    let (experiments, docker) = (read("docs/experiments.md"), read("docs/docker.md"));
    let documented = format!("{}{}", section(&experiments, "## Faults"), section(&docker, "## Faults on containers"));
    compare("kinds of faults", &documented, &known);
}

fn help(program: &str, args: &[&str]) -> String {
    let ended = run(program, root(), &[args, &["--help"]].concat());
    assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
    ended.out
}

/// Options of other programs, where a text names them alone.
const OF_OTHERS: [&str; 2] = ["--release", "--rm"];

#[test]
fn every_option_that_a_page_names_exists() {
    let commands =
        ["experiment", "init", "certify", "map", "compare", "check", "report", "load", "restore", "image", "testbed"]
            .map(|command| vec![command]);
    let parts = ["run", "compose-post", "post-storage", "post-db", "link"].map(|part| vec!["testbed", part]);
    let searches = ["stable", "outage", "rate"].map(|boundary| vec!["search", boundary]);
    let more = [vec!["twin", "run"], vec!["twin", "map"], vec!["swarm", "manifest"], vec![]];
    let commands = commands.into_iter().chain(parts).chain(searches).chain(more);
    let all: String = commands.map(|command| help(METAWRK, &command)).chain([help(WRK2, &[])]).collect();
    let option = Regex::new(r"(?:^|[^\w-])(--[a-z][a-z0-9_-]*)").unwrap();
    let options = |text: &str| option.captures_iter(text).map(|found| found[1].to_owned()).collect::<Names>();
    let known = &options(&all) | &OF_OTHERS.map(str::to_owned).into();
    let of_others = Regex::new(r"^\s*(?:[A-Z0-9_]+=\S+ )*(?:cargo|docker|docker-compose|git|ssh|valgrind) ").unwrap();
    let span = Regex::new("`([^`\n]*)`").unwrap();
    for (path, page) in pages() {
        for line in page.lines().filter(|line| !of_others.is_match(line)) {
            let line = span.replace_all(line, |found: &regex::Captures<'_>| {
                // Arguments after `--` in a table of benchmarks belong to the benchmark.
                if of_others.is_match(&found[1]) || found[1].starts_with("-- ") {
                    String::new()
                } else {
                    found[0].into()
                }
            });
            let unknown: Vec<_> = options(&line).difference(&known).cloned().collect();
            assert!(unknown.is_empty(), "{}: no command has {unknown:?}: {line}", path.display());
        }
    }
}

#[test]
fn every_option_of_wrk2_is_documented() {
    let page = read("docs/wrk2.md");
    let line = Regex::new(r"(?m)^ {2,6}(?:(-\w)(?:, )?)?(--[a-z0-9_-]+)?").unwrap();
    let help = help(WRK2, &[]);
    let found: Vec<_> = line.captures_iter(&help).filter(|found| found.get(1).or(found.get(2)).is_some()).collect();
    assert!(found.len() > 30);
    for found in found {
        let ways = [found.get(1), found.get(2)].into_iter().flatten().map(|way| way.as_str());
        let is_named = |way: &str| Regex::new(&format!(r"[`( ]{way}[^\w-]")).unwrap().is_match(&page);
        assert!(ways.clone().any(is_named), "docs/wrk2.md does not name {:?}", ways.collect::<Vec<_>>());
    }
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn without_code(page: &str) -> String {
    page.lines().filter(|line| !line.starts_with("    ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_link_has_a_target() {
    let link = Regex::new(r#"\]\(([^)\s]+)\)|(?:src|href)="([^"]+)""#).unwrap();
    let heading = Regex::new(r"(?m)^#+ (.*)$").unwrap();
    for (path, page) in pages() {
        for found in link.captures_iter(&without_code(&page)) {
            let link = found.get(1).or(found.get(2)).unwrap().as_str();
            if link.starts_with("https://") {
                continue;
            }
            let (file, wanted) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(root().join(&target).exists(), "{}: {link}: there is no such file", path.display());
            if let Some(wanted) = wanted {
                let text = without_code(&read(&target));
                let mut all = heading.captures_iter(&text).map(|found| anchor(&found[1]));
                assert!(all.any(|anchor| anchor == wanted), "{}: {link}: there is no such heading", path.display());
            }
        }
    }
}

#[test]
fn every_path_that_a_page_names_exists() {
    let span = Regex::new(r"`((?:src|tests|docs|experiments|benches|fuzz|lua)/[\w./-]+)`").unwrap();
    for (path, page) in pages() {
        for found in span.captures_iter(&page) {
            assert!(root().join(&found[1]).exists(), "{}: there is no {}", path.display(), &found[1]);
        }
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() < 150);
}
