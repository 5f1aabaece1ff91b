//! Faults on processes are removed, whichever process dies: the run, its keeper, both.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use metawrk::fault::{Fault, FaultError, KeeperClient, KeptFault, Machine};
use metawrk::units::Time;
use rustix::process::Signal;
use support::program::{is_alive, kill, run};
use support::state::{journals, with_own_state};

const LONG: Time = Time::from_secs(600);

/// A process, and a folder for journals. The process ends with it.
struct Subject {
    child: Child,
    dir: tempfile::TempDir,
}

impl Subject {
    fn new() -> Subject {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        Subject { child, dir: tempfile::tempdir().unwrap() }
    }

    fn fault(&self, keys: &str) -> KeptFault {
        toml::from_str(&format!("{keys}\npid = {}", self.child.id())).unwrap()
    }

    async fn prepare(&self, keys: &str, lasting: Time) -> Result<KeeperClient, FaultError> {
        let program = with_own_state(self.dir.path());
        KeeperClient::prepare(&Machine::default(), &self.fault(keys), lasting, Some(&program)).await
    }

    fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.contains(") T ")
    }

    fn journals(&self) -> usize {
        journals(self.dir.path())
    }

    /// Waits until the fault is undone, and no journal lists it.
    fn wait_until_undone(&self) {
        eventually("the end of the fault", || !self.is_stopped() && self.journals() == 0);
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const FREEZE: &str = "kind = 'freeze'";
const STRESS: &str = "kind = 'stress-cpu'\ncpus = 2";

/// The busy processes of a keeper: its children.
fn busy_processes(keeper: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[tokio::test]
async fn the_cpus_of_a_process_are_busy_while_the_fault_lasts() {
    let subject = Subject::new();
    let mut kept = subject.prepare(STRESS, LONG).await.unwrap();
    kept.apply().await.unwrap();
    let report = kept.verify_applied().await.unwrap();
    assert!(report.text.starts_with("2 busy processes used "), "{report}");
    let busy = busy_processes(kept.pid().unwrap());
    assert!(busy.len() == 2 && busy.iter().all(|pid| is_alive(*pid)), "{busy:?}");
    kept.remove().await.unwrap();
    assert_eq!(kept.verify_removed().await.unwrap().text, "no busy process runs");
    assert!(!busy.iter().any(|pid| is_alive(*pid)) && subject.journals() == 0);
}

#[tokio::test]
async fn busy_processes_end_with_the_run_and_with_a_killed_keeper() {
    for keeper_too in [false, true] {
        let subject = Subject::new();
        let mut kept = subject.prepare(STRESS, LONG).await.unwrap();
        kept.apply().await.unwrap();
        let keeper = kept.pid().unwrap();
        let busy = busy_processes(keeper);
        assert_eq!(busy.len(), 2);
        if keeper_too {
            kill(keeper, Signal::KILL);
        }
        drop(kept);
        eventually("the end of the busy processes", || !busy.iter().any(|pid| is_alive(*pid)));
        if keeper_too {
            let restored = run(with_own_state(subject.dir.path()).to_str().unwrap(), Path::new("/"), &["restore"]);
            assert!(restored.code == Some(0) && restored.out.contains(", stress-cpu of "), "{restored:?}");
        }
        eventually("the end of the journal", || subject.journals() == 0);
    }
}

#[tokio::test]
async fn a_frozen_process_goes_on_when_the_fault_is_removed() {
    let subject = Subject::new();
    let mut kept = subject.prepare(FREEZE, LONG).await.unwrap();
    assert_eq!((subject.is_stopped(), subject.journals()), (false, 0), "nothing is changed yet");
    kept.apply().await.unwrap();
    let report = kept.verify_applied().await.unwrap();
    assert_eq!(report.text, "each of its threads (1) is stopped");
    assert_eq!((subject.is_stopped(), subject.journals()), (true, 1));
    kept.remove().await.unwrap();
    kept.verify_removed().await.unwrap();
    assert_eq!((subject.is_stopped(), subject.journals()), (false, 0));
}

#[tokio::test]
async fn a_frozen_process_goes_on_when_the_run_ends_or_is_late() {
    for lasting in [LONG, Time::from_millis(50)] {
        let subject = Subject::new();
        let mut kept = subject.prepare(FREEZE, lasting).await.unwrap();
        kept.apply().await.unwrap();
        kept.verify_applied().await.unwrap();
        // The keeper notices the end of its stdin; a run that is only late keeps it open.
        if lasting == LONG {
            drop(kept);
            subject.wait_until_undone();
        } else {
            subject.wait_until_undone();
            drop(kept);
        }
    }
}

/// The run: a process of its own.
#[tokio::test]
#[ignore = "started by the test below"]
async fn runner() {
    let Ok(order) = std::env::var("METAWRK_PROCESS_FAULT_RUN") else { return };
    let (program, fault) = serde_json::from_str::<(String, KeptFault)>(&order).unwrap();
    let kept = KeeperClient::prepare(&Machine::default(), &fault, LONG, Some(Path::new(&program))).await;
    let mut kept = kept.unwrap();
    kept.apply().await.unwrap();
    // Until it is killed.
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_frozen_process_goes_on_after_sigkill_of_the_run() {
    let subject = Subject::new();
    let program = with_own_state(subject.dir.path());
    let order = serde_json::to_string(&(program.to_str().unwrap(), subject.fault(FREEZE))).unwrap();
    let mut runner = Command::new(std::env::current_exe().unwrap());
    runner.args(["--exact", "runner", "--ignored"]).env("METAWRK_PROCESS_FAULT_RUN", order).stdout(Stdio::null());
    let mut runner = runner.spawn().unwrap();
    eventually("the fault", || subject.is_stopped());
    assert_eq!(subject.journals(), 1);
    runner.kill().unwrap();
    runner.wait().unwrap();
    subject.wait_until_undone();
}

#[tokio::test]
async fn a_fault_that_a_killed_keeper_left_is_restored_and_refused_until_then() {
    let subject = Subject::new();
    let mut kept = subject.prepare(FREEZE, LONG).await.unwrap();
    kept.apply().await.unwrap();
    let restore = || run(with_own_state(subject.dir.path()).to_str().unwrap(), Path::new("/"), &["restore"]);
    kill(kept.pid().unwrap(), Signal::KILL);
    assert!(kept.remove().await.unwrap_err().to_string().contains("metawrk restore"));
    let error = subject.prepare(FREEZE, LONG).await.err().unwrap();
    assert!(error.why.contains("still has a freeze fault of"), "{error}");
    let restored = restore();
    assert!(restored.code == Some(0) && restored.out.contains("(sleep), freeze of "), "{restored:?}");
    assert_eq!((subject.is_stopped(), subject.journals()), (false, 0));
    assert_eq!(restore().out, "nothing to undo\n");
}

#[tokio::test]
async fn a_process_that_ends_under_its_fault_has_nothing_to_undo() {
    let mut subject = Subject::new();
    let mut kept = subject.prepare(FREEZE, LONG).await.unwrap();
    kept.apply().await.unwrap();
    subject.child.kill().unwrap();
    subject.child.wait().unwrap();
    let error = kept.remove().await.unwrap_err();
    assert!(error.why.starts_with("it is gone") && subject.journals() == 0, "{error}");
    let keeper = kept.pid().unwrap();
    drop(kept);
    eventually("the keeper's end", || !is_alive(keeper));
}
