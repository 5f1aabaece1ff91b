use std::time::Duration;

use super::*;
use crate::plan::config::parse;

fn plan(text: &str) -> ExperimentPlan {
    parse(text, "x.toml", Path::new(""), &Overrides::default()).unwrap()
}

fn embedded(testbed: &str, load: &str) -> ExperimentPlan {
    plan(&format!("name = \"x\"\n[testbed]\n{testbed}\n[load]\n{load}\n[[fault]]\nkind = \"link\"\nfor = \"20s\"\n"))
}

#[test]
fn too_few_connections_for_a_sustaining_effect_are_a_warning() {
    // Known results: at 100 requests/s and a hold of 0.5 s the system recovers with 20 in flight, and does not with 64.
    let with = |load: &str| limits::check_connections(&embedded("hold = \"500ms\"", &format!("rate = 100\n{load}")));
    insta::assert_snapshot!(with("connections = 20"), @r#"warn  connections  20 requests in flight are too few to keep the system overloaded: a sustaining effect needs about 50 (100 requests/s for 500ms, the testbed's hold). Set when-busy = "open" in [load]."#);
    insta::assert_snapshot!(with("connections = 64"), @"ok    connections  at most 64 requests in flight; a sustaining effect needs about 50 (100 requests/s for 500ms, the testbed's hold)");
    assert_eq!(with("when-busy = \"open\"\nconnections = 1\nmax-connections = 49").level, Level::Warn);
    assert_eq!(with("when-busy = \"open\"").level, Level::Ok);
    let abandoned = with("connections = 20\ntimeout = \"2s\"");
    assert!(abandoned.text.contains("about 200 (100 requests/s for 2s, the client's timeout"), "{abandoned}");
    let target = plan("name = \"x\"\n[target]\nurl = \"http://x/\"\n[load]\nrate = 100\n[verdict]\nslo = \"3s\"\n");
    assert!(limits::check_connections(&target).text.contains("about 300"), "{}", limits::check_connections(&target));
}

#[test]
fn a_rate_that_the_threads_cannot_generate_fails() {
    let level = |rate: u32, us: u64| {
        machine::check_rate(&embedded("", &format!("rate = {rate}")), Duration::from_micros(us)).level
    };
    assert_eq!([level(300, 16), level(30_000, 16), level(60_000, 16)], [Level::Ok, Level::Warn, Level::Fail]);
    insta::assert_snapshot!(machine::check_rate(&embedded("", "rate = 300"), Duration::from_micros(16)), @"ok    rate         300 requests/s take about 0.8 % of a core per generator thread (16.0µs per request in the script)");
}

#[test]
fn results_need_a_writable_folder_with_enough_space() {
    let dir = tempfile::tempdir().unwrap();
    let on = |rate: &str, folder: &Path| disk::check_space(&embedded("", rate), folder);
    let fine = on("rate = 300", &dir.path().join("not/there/yet"));
    assert!(fine.level == Level::Ok && fine.text.contains(&dir.path().display().to_string()), "{fine}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(on("rate = 300", &file).level, Level::Fail, "{}", on("rate = 300", &file));
    // 141 s of 100 requests/s, each tried twice more: 42,300 attempts.
    let needed = disk::estimate_max_bytes(&embedded("", "rate = 100\nretries = { count = 2, backoff = \"0s\" }"));
    assert_eq!(needed, (32 << 20) + 42_300 * 176);
    insta::assert_snapshot!(disk::compare_space("results", 1 << 30, 1 << 20), @"ok    disk         1.0 GiB free in results; the run writes at most 1.0 MiB");
    insta::assert_snapshot!(disk::compare_space("results", 1 << 20, 1 << 30), @"FAIL  disk         1.0 MiB free in results; the run writes at most 1.0 GiB. Free some space, choose another folder with --out, or shorten the load (--duration).");
}

#[test]
fn an_unreadable_experiment_is_the_only_finding() {
    let mut found = Vec::new();
    check(Some(Path::new("/no/such.toml")), &Overrides::default(), Path::new("."), &mut |f| found.push(f)).unwrap();
    let [only] = &found[..] else { panic!("{found:?}") };
    assert!(only.level == Level::Fail && only.text.contains("/no/such.toml"), "{only}");
}
