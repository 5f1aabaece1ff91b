//! Files that the programs read and write: pipes, devices, links, and the limit on file sizes.

mod support;

use std::fs;
use std::path::Path;

use support::program::{Ended, METAWRK, WRK2, run};
use support::{OK, Server};

/// Runs `command` in bash, where `$0` is `program` and `$1` is `argument`.
fn bash(program: &str, dir: &Path, command: &str, argument: &str) -> Ended {
    run("/bin/bash", dir, &["-c", command, program, argument])
}

#[test]
fn a_script_and_an_experiment_may_come_through_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let script = "\"$0\" -R100 -d100ms -s <(echo 'function done() print(\"piped\") end') \"$1\"";
    let ended = bash(WRK2, dir.path(), script, &server.url());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.ends_with("piped\n"), "{ended:?}");

    let ended = bash(METAWRK, dir.path(), "\"$0\" experiment <(echo 'name = 7')", "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains(":1: ") && ended.err.contains("name"), "{ended:?}");
}

#[test]
fn an_endless_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let zero = "/dev/zero";
    for (program, args) in [
        (WRK2, &["-R1", "-s", zero, "http://127.0.0.1:1/"][..]),
        (WRK2, &["-R1", "--cacert", zero, "https://127.0.0.1:1/"]),
        (METAWRK, &["experiment", zero]),
    ] {
        let ended = run(program, dir.path(), args);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(zero) && ended.err.contains("it is larger than "), "{ended:?}");
    }
}

#[test]
fn a_victim_of_a_link_in_a_results_folder_is_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let text = "name = 't'\n[target]\nurl = 'URL'\n[load]\nrate = 100\n[phases]\nwarmup = '0s'\nbaseline = '5s'\n\
                duration = '5s'\n";
    fs::write(dir.path().join("x.toml"), text.replace("URL", &server.url())).unwrap();
    let ended = run(METAWRK, dir.path(), &["experiment", "x.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (latest, victim) = (dir.path().join("results/latest"), dir.path().join("victim"));
    fs::write(&victim, "mine").unwrap();
    for name in ["summary.json", "summary.json.partial", "requests.parquet.part", "report.html.partial"] {
        let _ = fs::remove_file(latest.join(name));
        std::os::unix::fs::symlink(&victim, latest.join(name)).unwrap();
    }
    let ended = run(METAWRK, dir.path(), &["report", "results/latest"]);
    assert_eq!((ended.code, fs::read_to_string(&victim).unwrap().as_str()), (Some(0), "mine"), "{ended:?}");
    assert!(latest.join("summary.json").symlink_metadata().unwrap().is_file());
}

#[test]
fn the_limit_on_file_sizes_is_an_error_and_the_report_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    // Blocks of 1 KiB in bash.
    // Rows of a parquet file are in a file without a name during the run.
    for file in ["a.csv", "a.parquet"] {
        let command = format!("ulimit -f 4; exec \"$0\" -R2000 -d300ms --record {file} \"$1\"");
        let ended = bash(WRK2, dir.path(), &command, &server.url());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(file) && ended.err.contains("ulimit -f"), "{ended:?}");
        assert!(ended.out.contains("Requests/sec:"), "{ended:?}");
    }
}
