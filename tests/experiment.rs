//! Experiments from the command line, short ones: to their end, and cut short in every way.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use metawrk::report::summary::Summary;
use rustix::process::Signal;
use support::program::{Ended, METAWRK, Started, children, eventually, is_alive, kill, run, started};
use support::{OK, Server};

/// Every file of a run whose generator has one thread.
const FILES: [&str; 17] = [
    "SHA256SUMS",
    "digest.jsonl",
    "events.jsonl",
    "experiment.toml",
    "latencies-t0.png",
    "latencies-t0.svg",
    "latencies.txt",
    "latency-hist-t0.png",
    "latency-hist-t0.svg",
    "memory-usage.png",
    "memory-usage.svg",
    "report.html",
    "requests.parquet",
    "samples.csv",
    "summary.json",
    "timeline.png",
    "timeline.svg",
];

/// A test that needs a generator without send lag takes the write lock, all others the read lock. A failed test does not
/// poison the lock.
static MACHINE: RwLock<()> = RwLock::new(());

fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the shortest possible experiment, on a running system.
fn write_experiment(dir: &Path, server: &Server, load: &str) {
    let text = format!(
        "name = \"t\"\n[target]\nurl = \"{}\"\n[load]\nrate = 100\n{load}\n\
         [phases]\nwarmup = \"0s\"\nbaseline = \"5s\"\nduration = \"5s\"\n",
        server.url()
    );
    fs::write(dir.join("x.toml"), text).unwrap();
}

fn summary(results: &Path) -> Summary {
    serde_json::from_slice(&fs::read(results.join("latest/summary.json")).unwrap()).unwrap()
}

/// Checks that the report is complete, every request is accounted for, and the verdict is `verdict`.
fn check(dir: &Path, ended: &Ended, verdict: &str) -> Summary {
    let results = dir.join("results");
    let mut files: Vec<String> = fs::read_dir(results.join("latest"))
        .unwrap_or_else(|e| panic!("{e}: {ended:?}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, FILES);
    let summary = summary(&results);
    assert_eq!(summary.verdict.name, verdict, "{ended:?}");
    let account = summary.account.account;
    assert_eq!(account.scheduled, account.answered + account.failed + account.unanswered + account.unsent);
    assert!(account.scheduled > 0 && summary.account.balances, "{account:?}");
    assert!(ended.out.contains(verdict) && ended.out.contains("report.html"), "{ended:?}");
    summary
}

#[test]
fn a_healthy_system_is_stable_and_all_files_are_written() {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let server = Server::answering(OK);
    // On a busy machine the generator sends late and the run is INVALID, so there are three attempts.
    let attempts = (0..3).map(|_| {
        let dir = tempfile::tempdir().unwrap();
        write_experiment(dir.path(), &server, "");
        let ended = run(METAWRK, dir.path(), &["experiment", "x.toml", "--exit-code"]);
        (dir, ended)
    });
    let unless_late = |(_, ended): &(_, Ended)| !ended.out.contains("INVALID: the generator");
    let (dir, ended) = attempts.into_iter().find(unless_late).expect("the machine is too busy for this test");
    let summary = check(dir.path(), &ended, "STABLE");
    // Without a terminal, progress is lines for a log.
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.starts_with("  1s ") && !ended.err.contains('\x1b'), "{ended:?}");
    let account = summary.account.account;
    assert!(account.scheduled == 500 && account.answered >= 495, "{account:?}");
    // Each result shows how valid it is.
    assert!(ended.out.contains("\nGenerator:\n  scheduled   500 = "), "{}", ended.out);
}

/// Writes an experiment whose load is doubled from second 5 on, for a second.
fn write_surge(dir: &Path, server: &Server) {
    let text = format!(
        "name = \"t\"\n[target]\nurl = \"{}\"\n[load]\nrate = 100\nwhen-busy = \"open\"\n\
         [phases]\nwarmup = \"0s\"\nbaseline = \"5s\"\n[[fault]]\nkind = \"surge\"\nfactor = 2\nfor = \"1s\"\n",
        server.url()
    );
    fs::write(dir.join("x.toml"), text).unwrap();
}

#[test]
fn a_run_that_cannot_become_valid_ends_before_its_fault() {
    let _shared = share_machine();
    let server = Server::answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let dir = tempfile::tempdir().unwrap();
    write_surge(dir.path(), &server);
    let ended = run(METAWRK, dir.path(), &["experiment", "x.toml", "--exit-code"]);
    assert_eq!(ended.code, Some(20), "{ended:?}");
    // On a busy machine the generator was late, too.
    let name = summary(&dir.path().join("results")).verdict.name;
    assert!(["INVALID: unhealthy before the fault", "INVALID: the generator was late"].contains(&&name[..]), "{name}");
    let summary = check(dir.path(), &ended, &name);
    // The first answer is judged before the load, in the report, too.
    assert!(ended.err.starts_with("warning: target: ") && ended.err.contains("answers with status 500"), "{ended:?}");
    assert!(summary.problems[0].contains("answers with status 500"), "{:?}", summary.problems);
    assert!(ended.out.contains(&format!("Warning: {}", summary.problems[0])), "{}", ended.out);
    let because = summary.verdict.because.concat();
    assert!(because.contains("with status 500") && because.contains("nothing was touched"), "{because}");
    assert!(summary.verdict.next.concat().contains("a lower load does not help"), "{:?}", summary.verdict);
    let events = fs::read_to_string(dir.path().join("results/latest/events.jsonl")).unwrap();
    assert!(!events.contains("commanded") && events.contains("\"event\":\"baseline\",\"valid\":false"), "{events}");
    assert!(summary.account.account.scheduled <= 500, "the surge was never sent: {:?}", summary.account);
}

#[test]
fn with_anyway_the_fault_is_applied_to_a_system_that_is_not_healthy() {
    let _shared = share_machine();
    let server = Server::answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let dir = tempfile::tempdir().unwrap();
    write_surge(dir.path(), &server);
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml", "--anyway"]);
    let events = dir.path().join("results/latest/events.jsonl");
    eventually("the fault", || fs::read_to_string(&events).is_ok_and(|text| text.contains("effective")));
    running.send(Signal::INT);
    let ended = running.end();
    let summary = check(dir.path(), &ended, "INVALID: interrupted");
    assert!(summary.account.account.scheduled > 500 && !ended.out.contains("nothing was touched"), "{ended:?}");
}

#[test]
fn a_stopped_generator_is_not_blamed_on_the_system() {
    let _shared = share_machine();
    let stop = |when_busy: &str| {
        // Each answer takes 30 ms, so that connections are mostly busy.
        let server = Server::start(|mut peer| {
            while peer.request().is_some() {
                std::thread::sleep(Duration::from_millis(30));
                peer.send(OK);
            }
        });
        let dir = tempfile::tempdir().unwrap();
        write_experiment(dir.path(), &server, &format!("when-busy = \"{when_busy}\"\nconnections = 5"));
        let running = started(METAWRK, dir.path(), &["experiment", "x.toml", "--duration", "9s"]);
        eventually("load", || server.requests.lock().unwrap().len() > 200);
        running.send(Signal::STOP);
        std::thread::sleep(Duration::from_secs(3));
        running.send(Signal::CONT);
        let ended = running.end();
        let summary = check(dir.path(), &ended, "INVALID: the generator was late");
        assert!(summary.verdict.because[0].contains("did not run for"), "{when_busy}: {:?}", summary.verdict);
        assert!(summary.verdict.next[0].starts_with("Give the generator"), "{when_busy}: {:?}", summary.verdict);
    };
    std::thread::scope(|scope| {
        for when_busy in ["wait", "pipeline", "open"] {
            scope.spawn(move || stop(when_busy));
        }
    });
}

#[test]
fn a_script_error_ends_the_run_with_a_report() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let text = "n = 0 function request() n = n + 1\n if n > 30 then error('boom') end return wrk.format() end";
    fs::write(dir.path().join("boom.lua"), text).unwrap();
    write_experiment(dir.path(), &Server::answering(OK), "script = \"boom.lua\"");
    let ended = run(METAWRK, dir.path(), &["experiment", "x.toml"]);
    check(dir.path(), &ended, "INVALID: the run failed");
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.err, "the run ended early: the script failed: boom.lua:2: boom\n");
}

#[test]
fn a_signal_ends_the_drain() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|mut peer| peer.swallow());
    write_experiment(dir.path(), &server, "when-busy = \"open\"");
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    // One connection for the check before the load, and one for each request.
    eventually("the last request", || server.connections.load(std::sync::atomic::Ordering::SeqCst) >= 500);
    running.send(Signal::TERM);
    let ended = running.end();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert_eq!(check(dir.path(), &ended, "INVALID: interrupted").account.account.answered, 0);
}

/// Starts an experiment on the embedded testbed, and waits for its first records.
fn start_embedded(dir: &Path) -> (Started, Vec<(u32, Vec<String>)>) {
    let running = started(METAWRK, dir, &["experiment", "--rate", "50"]);
    let rows = dir.join("results/latest/requests.rows");
    eventually("records", || fs::metadata(&rows).is_ok_and(|rows| rows.len() > 1000));
    let roles = children(running.pid());
    assert_eq!(roles.len(), 4, "{roles:?}");
    (running, roles)
}

fn await_end_of(roles: &[(u32, Vec<String>)]) {
    eventually("the end of the testbed", || !roles.iter().any(|(pid, _)| is_alive(*pid)));
}

#[test]
fn sigint_ends_the_embedded_testbed_with_a_report() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let (running, roles) = start_embedded(dir.path());
    running.send(Signal::INT);
    let ended = running.end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""), "{ended:?}");
    check(dir.path(), &ended, "INVALID: interrupted");
    assert!(!roles.iter().any(|(pid, _)| is_alive(*pid)), "the processes end before the run");
}

/// Names, lengths and times of last change of the files in `dir`.
fn state_of(dir: &Path) -> Vec<(std::ffi::OsString, u64, std::time::SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), entry.metadata().unwrap()))
        .map(|(name, found)| (name, found.len(), found.modified().unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_report_on_a_run_in_progress_says_so_and_changes_nothing() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    write_experiment(dir.path(), &server, "");
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    let latest = dir.path().join("results/latest");
    let rows = latest.join("requests.rows");
    eventually("records", || fs::metadata(&rows).is_ok_and(|rows| rows.len() > 5000));
    // The run itself writes to its files, so they are compared while it is stopped.
    running.send(Signal::STOP);
    let before = state_of(&latest);
    let reported = run(METAWRK, dir.path(), &["report", "results/latest", "--exit-code"]);
    let after = state_of(&latest);
    running.send(Signal::CONT);
    assert_eq!((reported.code, reported.err.as_str()), (Some(20), ""), "{reported:?}");
    assert!(reported.out.starts_with("\nRUNNING\n  The experiment t goes on"), "{reported:?}");
    assert_eq!(before, after);
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let complete = check(dir.path(), &ended, &summary(&dir.path().join("results")).verdict.name);
    assert_eq!(complete.account.account.scheduled, 500, "all requests have their records");
}

#[test]
fn a_second_signal_ends_a_slow_report() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    write_experiment(dir.path(), &server, "");
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    eventually("load", || server.requests.lock().unwrap().len() > 20);
    // The report waits for another one, which holds this lock.
    let plan = fs::File::open(dir.path().join("results/latest/experiment.toml")).unwrap();
    plan.lock().unwrap();
    running.send(Signal::INT);
    eventually("the report", || running.threads().iter().any(|name| name == "signals"));
    let ended = running.end_by(Signal::TERM);
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert!(ended.err.contains("Writing the report"), "{ended:?}");
    assert!(dir.path().join("results/latest/requests.parquet").exists());
}

#[test]
fn sigint_before_the_load_leaves_no_results() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("slow.lua"), "while true do end").unwrap();
    let server = Server::answering(OK);
    write_experiment(dir.path(), &server, "script = \"slow.lua\"");
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    // The check before the load: the script runs from now on.
    eventually("a connection to the target", || server.connections.load(std::sync::atomic::Ordering::SeqCst) > 0);
    running.send(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.err.contains("before the load began"), "{ended:?}");
    assert_eq!(fs::read_dir(dir.path().join("results")).unwrap().count(), 0);
}

#[test]
fn a_signal_ends_a_run_with_a_stuck_script_with_its_report() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let stuck = "n = 0 function request() n = n + 1\n\
        if n > 30 then io.open('stuck', 'w'):close() while true do end end return wrk.format() end";
    fs::write(dir.path().join("stuck.lua"), stuck).unwrap();
    let server = Server::answering(OK);
    write_experiment(dir.path(), &server, "script = \"stuck.lua\"");
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    eventually("the loop", || dir.path().join("stuck").exists());
    running.send(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(dir.path().join("results/latest/requests.parquet").exists());
    let events = fs::read_to_string(dir.path().join("results/latest/events.jsonl")).unwrap();
    assert!(events.contains("the script of thread 0 did not return"), "{events}");
}

#[test]
fn a_component_that_dies_ends_the_run_with_a_report() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let (running, roles) = start_embedded(dir.path());
    let db = roles.iter().find(|(_, arguments)| arguments.iter().any(|a| a == "post-db")).unwrap().0;
    kill(db, Signal::KILL);
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("the run ended early: post-db died: signal: 9"), "{ended:?}");
    check(dir.path(), &ended, "INVALID: the run failed");
    await_end_of(&roles);
}

#[test]
fn a_killed_run_leaves_no_process_and_can_be_reported() {
    let _shared = share_machine();
    let dir = tempfile::tempdir().unwrap();
    let (running, roles) = start_embedded(dir.path());
    running.send(Signal::KILL);
    assert_eq!(running.end().code, None);
    await_end_of(&roles);
    let latest: PathBuf = dir.path().join("results/latest");
    let ended = run(METAWRK, dir.path(), &["report", "results/latest", "--exit-code"]);
    assert_eq!(ended.code, Some(20), "{ended:?}");
    assert!(ended.out.contains("INVALID: the run was killed"), "{ended:?}");
    assert!(latest.join("timeline.png").exists() && !latest.join("requests.rows").exists());
}
