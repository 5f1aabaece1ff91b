//! `metawrk twin` as users type it: the answers as text, files and JSON, and what is refused.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::program::{METAWRK, assert_refused, run};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/twin").join(name)
}

#[test]
fn the_answer_has_the_verdict_and_both_boundaries() {
    let dir = tempfile::tempdir().unwrap();
    let file = example("sregym.toml");
    let twin = |options: &[&str]| {
        let ended = run(METAWRK, dir.path(), &[&["twin", "run", file.to_str().unwrap()], options].concat());
        assert_eq!(ended.err, "", "{ended:?}");
        ended
    };
    let text = twin(&["--exit-code", "--json", "x.json"]);
    assert_eq!(text.code, Some(10), "{text:?}");
    assert!(text.out.starts_with("sregym at 8 requests/s with an outage of 30 s, simulated: METASTABLE\n"), "{text:?}");
    let written = fs::read_to_string(dir.path().join("x.json")).unwrap();
    let answer: Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&answer["verdict"], &answer["exit_code"]), (&"METASTABLE".into(), &10.into()));
    // The service serves 20 requests/s, and a stuck client makes three attempts.
    let stable_rate = answer["stable_rate"]["value"].as_f64().unwrap();
    assert!((stable_rate / (20.0 / 3.0) - 1.0).abs() < 0.05, "{written}");
    let tips = &answer["tipping_outage_s"];
    assert!(tips["low"].as_f64() < tips["high"].as_f64() && tips["high"].as_f64() < Some(30.0), "{written}");
    // The same seed gives the same answer, and with `-` JSON is all that is printed.
    let again = twin(&["--json", "-"]);
    assert_eq!((again.code, again.out), (Some(0), written));

    let safe = twin(&["--rate", "4", "--exit-code"]);
    assert_eq!(safe.code, Some(0), "{safe:?}");
    assert!(safe.out.contains("simulated: RECOVERED\n"), "{safe:?}");
    let healthy = twin(&["--outage", "0s", "--exit-code"]);
    assert_eq!(healthy.code, Some(0), "{healthy:?}");
    assert!(healthy.out.contains(" with no outage, simulated: STABLE\n"), "{healthy:?}");
}

#[test]
fn a_map_is_written_into_a_folder_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = example("sregym.toml");
    let map = |options: &[&str]| {
        let ended =
            run(METAWRK, dir.path(), &[&["twin", "map", file.to_str().unwrap(), "--seeds", "2"], options].concat());
        assert_eq!((ended.code, &ended.err[..]), (Some(0), ""), "{ended:?}");
        ended
    };
    let text = map(&["--rates", "12,8,3", "--json", "x.json"]).out;
    assert!(
        text.starts_with("sregym: predicted shortest outages that tip the system (range of 2 seeds): none up to "),
        "{text}"
    );
    let folders: Vec<PathBuf> =
        fs::read_dir(dir.path().join("results")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [folder] = &folders[..] else { panic!("{folders:?}") };
    let leaf = folder.file_name().unwrap().to_str().unwrap();
    assert!(leaf.starts_with("sregym-twin-map-") && text.contains(leaf), "{text}");
    let written = fs::read_to_string(dir.path().join("x.json")).unwrap();
    assert_eq!(fs::read_to_string(folder.join("map.json")).unwrap(), written);
    let answer: Value = serde_json::from_str(&written).unwrap();
    let columns = answer["columns"].as_array().unwrap();
    let outages: Vec<Option<f64>> = columns.iter().map(|column| column["value"].as_f64()).collect();
    // Below 20 / 3 requests/s no outage tips, and a higher rate takes a shorter one.
    assert!(outages[0].is_none() && outages[2].is_some() && outages[2] < outages[1], "{written}");
    assert_eq!(columns[0]["answer"], "never_tipped");
    assert!(fs::read(folder.join("map.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(folder.join("map.svg")).unwrap().contains("predicted"));
    let cells = fs::read_to_string(folder.join("cells.csv")).unwrap();
    assert!(cells.starts_with("rate,outage_s,seed,verdict\n") && cells.contains("METASTABLE"), "{cells}");
    assert_eq!(cells.lines().count() as u64 - 1, answer["runs"].as_u64().unwrap());

    // The twin in the folder gives the same map, and with `-` JSON is all that is printed.
    let twin = folder.join("twin.toml");
    let again = ["twin", "map", twin.to_str().unwrap(), "--seeds", "2", "--rates", "3,8,12", "--json", "-"];
    assert_eq!(run(METAWRK, dir.path(), &again).out, written);
}

#[test]
fn what_cannot_be_mapped_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = example("sregym.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(dir.path().join("profile.toml"), text.replace("rate = 8", "rate = 8\nprofile = \"8@10s,4\"")).unwrap();
    let refused = |args: &[&str], message| {
        assert_refused(METAWRK, dir.path(), &[&["twin", "map"], args].concat(), message);
    };
    let file = file.to_str().unwrap();
    refused(&["none.toml"], "cannot read none.toml");
    refused(&["profile.toml"], "load.profile: must not be set for another rate. Remove it");
    refused(&[file, "--rates", "8,0"], "must be between 0.001 and 1000000 requests/s");
    refused(&[file, "--between", "2s..1s"], "--between 2s..1s: the first outage must be above 0 and below the second");
    refused(&[file, "--seeds", "0"], "--seeds");
    refused(&[file, "--json", "none/x.json"], "none/x.json");
    assert!(!dir.path().join("results").exists(), "nothing is written");
    assert_refused(METAWRK, dir.path(), &["map", "--twin", "none.toml"], "cannot read none.toml");
}

#[test]
fn what_cannot_be_simulated_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = example("sregym.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(dir.path().join("profile.toml"), text.replace("rate = 8", "rate = 8\nprofile = \"8@10s,4\"")).unwrap();
    fs::write(dir.path().join("key.toml"), text.replace("servers = 1", "server = 1")).unwrap();
    let refused = |args: &[&str], message| {
        assert_refused(METAWRK, dir.path(), &[&["twin", "run"], args].concat(), message);
    };
    let file = file.to_str().unwrap();
    refused(&["none.toml"], "cannot read none.toml");
    refused(&["key.toml"], "key.toml:8: system.server: unknown field `server`");
    refused(&["profile.toml", "--rate", "4"], "profile.toml:14: load.profile: must not be set for another rate");
    refused(&[file, "--rate", "0"], "--rate: must be between 0.001 and 1000000 requests/s");
    refused(&[file, "--rate", "100k"], "--rate: makes up to");
    refused(&[file, "--outage", "30h"], "--outage: must be above 0");
    refused(&[file, "--json", "none/x.json"], "none/x.json");
    refused(&[], "<FILE>");
    assert_refused(METAWRK, dir.path(), &["twin"], "Usage: metawrk twin");
}
