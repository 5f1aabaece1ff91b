//! Monitors of processes and units of this machine, in an experiment and in `metawrk check`.

mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use support::program::{Ended, METAWRK, eventually, run, started};
use support::{OK, Server};

/// A process that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start(program: impl AsRef<std::ffi::OsStr>) -> Sleeper {
        let spawn = || Command::new(program.as_ref()).arg("600").stdin(Stdio::null()).spawn();
        loop {
            match spawn() {
                // Another test started a process while this program was written, which holds it open for a moment.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                child => return Sleeper(child.unwrap()),
            }
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program whose name no other process has.
fn own_program(dir: &Path, name: &str) -> PathBuf {
    let program = dir.join(name);
    fs::copy("/bin/sleep", &program).unwrap();
    program
}

/// An experiment on a healthy server, with monitors.
fn write_experiment(dir: &Path, server: &Server, seconds: u32, monitors: &str) {
    let text = format!(
        "name = \"t\"\n[target]\nurl = \"{}\"\n[load]\nrate = 100\n\
         [phases]\nwarmup = \"0s\"\nbaseline = \"5s\"\nduration = \"{seconds}s\"\n{monitors}",
        server.url()
    );
    fs::write(dir.join("x.toml"), text).unwrap();
}

fn monitor(key: &str) -> String {
    format!("[[monitor]]\nkind = \"process\"\n{key}\n")
}

/// The rows of `samples.csv` of one source: whether each has a memory and a CPU time.
fn samples(dir: &Path, source: &str) -> Vec<(bool, bool)> {
    let text = fs::read_to_string(dir.join("results/latest/samples.csv")).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (named, memory, cpu) = (column("source"), column("memory_bytes"), column("cpu_ns"));
    let rows = text.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
    rows.filter(|row| row[named] == source).map(|row| (!row[memory].is_empty(), !row[cpu].is_empty())).collect()
}

fn events(dir: &Path) -> String {
    fs::read_to_string(dir.join("results/latest/events.jsonl")).unwrap_or_default()
}

#[test]
fn a_process_is_sampled_by_pid_and_by_name_across_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let program = own_program(dir.path(), "metawrk-monitored");
    let (first, other) = (Sleeper::start(&program), Sleeper::start("sleep"));
    let server = Server::answering(OK);
    let monitors = monitor("process = \"metawrk-monitored\"") + &monitor(&format!("pid = {}", other.0.id()));
    write_experiment(dir.path(), &server, 120, &monitors);
    let experiment = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    eventually("the first samples", || {
        let file = dir.path().join("results/latest/samples.csv");
        fs::read_to_string(file).is_ok_and(|text| text.lines().count() > 3)
    });
    let happened = |source: &str, state: &str| {
        let event = format!("\"component\":\"{source}\",\"state\":\"{state}\"");
        eventually(&event, || events(dir.path()).contains(&event));
    };
    drop(first);
    happened("metawrk-monitored", "died");
    let _again = Sleeper::start(&program);
    happened("metawrk-monitored", "restarted");
    let pid = format!("pid {}", other.0.id());
    drop(other);
    happened(&pid, "died");
    experiment.send(Signal::INT);
    let ended = experiment.end();
    // A process that is named by its pid has ended for good.
    assert!(ended.out.contains(&format!("{pid} died and did not restart")), "{ended:?}");
    // With values, without any, and with values again.
    let changes = |source: &str| {
        let mut changes = samples(dir.path(), source);
        changes.dedup();
        changes
    };
    assert_eq!(changes("metawrk-monitored"), [(true, true), (false, false), (true, true)]);
    assert_eq!(changes(&pid), [(true, true), (false, false)]);
}

fn check(dir: &Path, server: &Server, key: &str) -> Ended {
    write_experiment(dir, server, 5, &monitor(key));
    run(METAWRK, dir, &["check", "x.toml"])
}

#[test]
fn a_process_that_is_missing_or_ambiguous_is_an_error_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let program = own_program(dir.path(), "metawrk-ambiguous");
    let line = |ended: &Ended| ended.out.lines().find(|line| line.contains("monitor ")).unwrap().to_owned();
    let missing = check(dir.path(), &server, "process = \"metawrk-ambiguous\"");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    insta::assert_snapshot!(line(&missing), @"FAIL  monitor      cannot find process metawrk-ambiguous: no process runs this program. Start the system under test first.");
    let _processes = [Sleeper::start(&program), Sleeper::start(&program)];
    let ambiguous = line(&check(dir.path(), &server, "process = \"metawrk-ambiguous\""));
    assert!(
        ambiguous.contains("2 processes run this program: pid ") && ambiguous.ends_with("by `pid`."),
        "{ambiguous}"
    );
    let unit = line(&check(dir.path(), &server, "unit = \"metawrk-no-such\""));
    insta::assert_snapshot!(unit, @"FAIL  monitor      cannot monitor unit metawrk-no-such.service: no process of this machine runs in it. Start it first (`systemctl start metawrk-no-such.service`).");
    // The run ends with the same error, before any load.
    let ended = run(METAWRK, dir.path(), &["experiment", "x.toml"]);
    assert!(ended.code == Some(1) && ended.err.contains("no process of this machine runs in it"), "{ended:?}");
    assert!(!dir.path().join("results/latest").exists(), "{ended:?}");
}

/// The control groups of a unit, as systemd would make them. They are removed with it.
struct UnitGroups(Vec<PathBuf>);

impl UnitGroups {
    /// `None` where this user may not make them.
    fn create(unit: &str) -> Option<UnitGroups> {
        let root = Path::new("/sys/fs/cgroup");
        let folders: Vec<_> = match root.join("cgroup.controllers").exists() {
            true => vec![root.join(unit)],
            false => ["memory", "cpuacct", "pids"].map(|controller| root.join(controller).join(unit)).to_vec(),
        };
        let groups = UnitGroups(folders);
        groups.0.iter().all(|folder| fs::create_dir(folder).is_ok()).then_some(groups)
    }

    fn add(&self, pid: u32) {
        self.0.iter().for_each(|folder| fs::write(folder.join("cgroup.procs"), pid.to_string()).unwrap());
    }
}

impl Drop for UnitGroups {
    fn drop(&mut self) {
        self.0.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

#[test]
fn all_processes_of_a_unit_are_sampled_together() {
    let name = format!("metawrk-test-{}.service", std::process::id());
    let Some(groups) = UnitGroups::create(&name) else {
        eprintln!("skipped: this user may not make control groups");
        return;
    };
    let processes = [Sleeper::start("sleep"), Sleeper::start("sleep"), Sleeper::start("sleep")];
    processes.iter().for_each(|process| groups.add(process.0.id()));
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    write_experiment(dir.path(), &server, 5, &monitor(&format!("unit = \"{name}\"")));
    let checked = run(METAWRK, dir.path(), &["check", "x.toml"]);
    assert!(checked.out.contains(&format!("unit {name}: runs on this machine")), "{checked:?}");
    let ended = run(METAWRK, dir.path(), &["experiment", "x.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows = samples(dir.path(), &name);
    assert!(rows.len() > 10 && rows.iter().all(|row| *row == (true, true)), "{rows:?}");
    let text = fs::read_to_string(dir.path().join("results/latest/samples.csv")).unwrap();
    let threads = text.lines().next().unwrap().split(',').position(|column| column == "threads").unwrap();
    assert!(text.lines().skip(1).all(|row| row.split(',').nth(threads) == Some("3")), "{text}");
    drop(processes);
}
