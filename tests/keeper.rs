//! A fault on a container is removed, whichever process dies: the run, its keeper, both.

mod support;

use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use metawrk::docker::probe::{Link, ProbeAnswer, ProbeRequest};
use metawrk::docker::{Details, Engine, ProbePlace};
use metawrk::fault::{Fault, FaultError, KeeperClient, Machine, Outcome, Schedule, drive};
use metawrk::record::{Clock, Event, EventKind};
use metawrk::units::Time;
use rustix::process::Signal;
use support::docker::{Stack, Wanted, engine, fault};
use support::program::{Ended, is_alive, kill, run};
use support::state::{journals, with_own_state};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// A container, and a place for journals.
struct Lab {
    stack: Stack,
    id: String,
    name: String,
    before: Details,
    dir: TempDir,
}

impl Lab {
    async fn new(engine: &Engine) -> Lab {
        Lab::with(engine, Wanted::default()).await
    }

    async fn with(engine: &Engine, wanted: Wanted) -> Lab {
        let mut stack = Stack::new(engine, None).await;
        let id = stack.add("db", wanted).await;
        let before = stack.details(&id).await;
        Lab { name: before.name.clone(), before, stack, id, dir: tempfile::tempdir().unwrap() }
    }

    async fn keeping(&self, keys: &str, lasting: Time) -> Result<KeeperClient, FaultError> {
        let program = with_own_state(self.dir.path());
        let machine = Machine { engine: Some(self.stack.engine.clone()) };
        KeeperClient::prepare(&machine, &fault(keys, &self.name), lasting, Some(&program)).await
    }

    fn journals(&self) -> usize {
        journals(self.dir.path())
    }

    fn restore(&self) -> Ended {
        run(with_own_state(self.dir.path()).to_str().unwrap(), Path::new("/"), &["restore"])
    }

    async fn remove_container(&self) {
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        self.stack.docker.remove_container(&self.id, Some(force)).await.unwrap();
    }

    async fn is_as_before(&self) -> bool {
        let now = self.stack.details(&self.id).await;
        now.endpoints == self.before.endpoints && now.paused == self.before.paused && self.stack.serves(&self.id).await
    }
}

async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened().await {
        assert!(Instant::now() < deadline, "{what} never came");
        sleep(Duration::from_millis(20)).await;
    }
}

const DISCONNECT: &str = "kind = 'disconnect'";
const PAUSE: &str = "kind = 'pause'";

const LONG: Time = Time::from_secs(600);

#[tokio::test]
async fn a_fault_of_a_keeper_is_driven_as_any_other() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(DISCONNECT, LONG).await.unwrap();
    assert_eq!((kept.kind(), kept.target().name()), ("disconnect", &*lab.name));
    let (outcome, steps) = driven(&mut kept, Time::from_millis(500)).await;
    assert_eq!(outcome, Outcome::Verified);
    assert_eq!(
        steps.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(),
        ["Commanded", "Effective", "RemovalCommanded", "RemovalVerified"]
    );
    assert!(steps[3].1.contains("reaches db, "), "{steps:?}");
    assert!(lab.is_as_before().await);
    // Nothing is left to undo.
    assert_eq!(lab.journals(), 0);
    let keeper = kept.pid().unwrap();
    drop(kept);
    eventually("the keeper's end", async || !is_alive(keeper)).await;
}

#[tokio::test]
async fn a_fault_is_removed_when_its_run_ends() {
    let Some(engine) = engine().await else { return };
    for fault in [DISCONNECT, PAUSE, "kind = 'blackhole'"] {
        let lab = Lab::new(&engine).await;
        let mut kept = lab.keeping(fault, LONG).await.unwrap();
        kept.apply().await.unwrap();
        kept.verify_applied().await.unwrap();
        assert_eq!((lab.journals(), lab.is_as_before().await), (1, false));
        // The keeper notices the end of the pipe, as when the run is killed.
        drop(kept);
        eventually("the end of the fault", async || lab.is_as_before().await).await;
        eventually("the end of the journal", async || lab.journals() == 0).await;
    }
}

#[tokio::test]
async fn a_fault_is_removed_when_its_run_is_late() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(PAUSE, Time::from_millis(100)).await.unwrap();
    kept.apply().await.unwrap();
    eventually("the end of the fault", async || lab.is_as_before().await).await;
    eventually("the end of the journal", async || lab.journals() == 0).await;
    // A late run learns that the fault is removed.
    let error = kept.verify_applied().await.unwrap_err();
    assert!(error.why.contains("removed it already"), "{error}");
    kept.remove().await.unwrap();
    let said = kept.verify_removed().await.unwrap();
    assert!(said.warnings.contains(&"its keeper removed it, because the run was late".to_owned()), "{said}");
    assert_eq!(lab.journals(), 0);
}

/// Drives a fault from now on; the steps that were told, with their words.
async fn driven(kept: &mut KeeperClient, lasting: Time) -> (Outcome, Vec<(String, String)>) {
    let (outcome, steps) = driven_in_time(kept, lasting).await;
    (outcome, steps.into_iter().map(|(_, step, detail)| (step, detail)).collect())
}

/// The same with the instants of the steps.
async fn driven_in_time(kept: &mut KeeperClient, lasting: Time) -> (Outcome, Vec<(jiff::Timestamp, String, String)>) {
    let start = jiff::Timestamp::now();
    let clock = Clock::starting_in(Time::ZERO);
    let (tell, mut told) = mpsc::unbounded_channel::<Event>();
    let (_cancel, cancelled) = watch::channel(false);
    let schedule = Schedule { at: Time::from_millis(50), lasting };
    let outcome = drive(kept, 0, schedule, || clock.now(), tell, cancelled).await;
    let mut steps = Vec::new();
    while let Some(Event { what: EventKind::Fault { step, detail, .. }, at }) = told.recv().await {
        steps.push((start + Duration::from_nanos(at.0), format!("{step:?}"), detail));
    }
    (outcome, steps)
}

#[tokio::test]
async fn a_fault_that_is_slow_to_apply_is_not_undone_before_it_is_on() {
    let Some(engine) = engine().await else { return };
    // Longer than a fault of a moment may be overdue.
    let lab = Lab::with(&engine, Wanted { ends_after: Some(7), ..Default::default() }).await;
    let mut kept = lab.keeping("kind = 'restart'", Time::from_millis(100)).await.unwrap();
    let (outcome, steps) = driven(&mut kept, Time::from_millis(100)).await;
    assert_eq!(outcome, Outcome::Verified, "{steps:?}");
    assert_eq!(steps[1], ("Effective".to_owned(), "it ended, and was started again".to_owned()), "{steps:?}");
}

#[tokio::test]
async fn a_fault_that_ends_a_container_takes_effect_when_the_engine_says_that_it_died() {
    let Some(engine) = engine().await else { return };
    // It ignores the stop signal for so long.
    const GRACE: i64 = 2;
    for (keys, grace) in [("kind = 'kill'", 0), ("kind = 'stop'", GRACE), ("kind = 'restart'", GRACE)] {
        let lab = Lab::with(&engine, Wanted { ends_after: Some(GRACE), ..Default::default() }).await;
        let mut kept = lab.keeping(keys, Time::from_secs(30)).await.unwrap();
        let (outcome, steps) = driven_in_time(&mut kept, Time::ZERO).await;
        assert_eq!(outcome, Outcome::Verified, "{keys}: {steps:?}");
        let now = lab.stack.details(&lab.id).await;
        let [died, started] = [&now.finished_at, &now.started_at].map(|at| at.parse::<jiff::Timestamp>().unwrap());
        let [commanded, effective, _, back] = [0, 1, 2, 3].map(|step| steps[step].0);
        let ms = |from: jiff::Timestamp, to: jiff::Timestamp| to.duration_since(from).as_millis();
        assert!(ms(effective, died).abs() < 20, "{keys}: {steps:?}, died {died}");
        assert!(effective < started && started < back, "{keys}: {steps:?}, started {started}");
        assert!(ms(commanded, effective) >= i128::from(grace) * 1000, "{keys}: {steps:?}");
    }
}

/// Switches the links of a container without its keeper.
async fn switch(lab: &Lab, links: &[Link], up: bool) {
    let switch = ProbeRequest::Switch { links: links.to_vec(), up };
    assert_eq!(lab.stack.engine.probe(ProbePlace::Host, &switch).await, Ok(ProbeAnswer::Links(vec![Some(up)])));
}

#[tokio::test]
async fn a_run_may_wait_for_a_container_to_come_up() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping("kind = 'kill'", Time::from_millis(100)).await.unwrap();
    kept.apply().await.unwrap();
    kept.verify_applied().await.unwrap();
    kept.remove().await.unwrap();
    // Its peers see a container that takes long to come up. Meanwhile the fault is overdue.
    let links = engine.links(&lab.stack.details(&lab.id).await).await.unwrap();
    let links: Vec<_> = links.into_iter().map(|(_, link)| link).collect();
    switch(&lab, &links, false).await;
    let error = kept.verify_removed().await.unwrap_err();
    assert!(error.why.contains("from a peer on"), "{error}");
    // As a run does between two tries.
    sleep(Duration::from_secs(1)).await;
    kept.remove().await.unwrap();
    assert_eq!(lab.journals(), 1);
    switch(&lab, &links, true).await;
    let said = kept.verify_removed().await.unwrap();
    assert!(said.text.contains("reaches db, "), "{said}");
    assert_eq!(lab.journals(), 0);
}

#[tokio::test]
async fn a_container_that_is_removed_during_its_fault_is_an_error_at_once() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(PAUSE, LONG).await.unwrap();
    kept.apply().await.unwrap();
    lab.remove_container().await;
    let (first, again) = (kept.remove().await.unwrap_err(), kept.remove().await.unwrap_err());
    assert!(first.why.contains("it is gone"), "{first}");
    assert_eq!((&again, lab.journals()), (&first, 0));
}

#[tokio::test]
async fn the_keeper_of_a_removed_container_ends() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(DISCONNECT, LONG).await.unwrap();
    kept.apply().await.unwrap();
    lab.remove_container().await;
    let keeper = kept.pid().unwrap();
    drop(kept);
    eventually("the keeper's end", async || !is_alive(keeper)).await;
    assert_eq!(lab.journals(), 0);
}

#[tokio::test]
async fn restore_waits_for_a_keeper_at_work() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::with(&engine, Wanted { ends_after: Some(5), ..Default::default() }).await;
    let mut kept = lab.keeping("kind = 'stop'", LONG).await.unwrap();
    kept.apply().await.unwrap();
    drop(kept);
    let restored = lab.restore();
    assert_eq!((restored.code, restored.err.as_str()), (Some(0), ""), "{restored:?}");
    assert_eq!(lab.journals(), 0);
    assert!(lab.stack.details(&lab.id).await.running);
}

#[tokio::test]
async fn a_fault_that_did_not_last_is_a_warning() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(PAUSE, LONG).await.unwrap();
    kept.apply().await.unwrap();
    kept.verify_applied().await.unwrap();
    engine.unpause(&lab.id).await.unwrap();
    kept.remove().await.unwrap();
    let said = kept.verify_removed().await.unwrap();
    assert_eq!(said.warnings, ["right before its removal the fault was no longer on: it is not paused"]);
}

#[tokio::test]
async fn a_keeper_removes_its_fault_on_sigterm() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping("kind = 'throttle'\ncpus = 0.1", LONG).await.unwrap();
    kept.apply().await.unwrap();
    let keeper = kept.pid().unwrap();
    kill(keeper, Signal::TERM);
    eventually("the keeper's end", async || !is_alive(keeper)).await;
    assert_eq!((lab.journals(), lab.stack.details(&lab.id).await.cpu_quota), (0, -1));
}

#[tokio::test]
async fn a_fault_that_a_killed_keeper_left_is_restored_and_refused_until_then() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(DISCONNECT, LONG).await.unwrap();
    kept.apply().await.unwrap();
    // The fault of a live run is not touched.
    let held = lab.restore();
    assert!(held.code == Some(1) && held.err.contains("another run, or its keeper, is still handling it"), "{held:?}");

    kill(kept.pid().unwrap(), Signal::KILL);
    let error = kept.remove().await.unwrap_err();
    assert!(error.to_string().contains("metawrk restore"), "{error}");
    let error = lab.keeping(PAUSE, LONG).await.err().unwrap();
    assert!(error.why.contains("still has a disconnect fault") && error.why.contains("metawrk restore"), "{error}");

    let restored = lab.restore();
    assert!(restored.code == Some(0) && restored.out.contains(", disconnect of "), "{restored:?}");
    assert!(lab.is_as_before().await);
    assert_eq!(lab.restore().out, "nothing to undo\n");
    drop(lab.keeping(PAUSE, LONG).await.unwrap());
}

/// A socket at `path` that leads to the engine, until the task is aborted.
fn forward(engine: &Engine, path: &Path) -> JoinHandle<()> {
    let socket = engine.host().strip_prefix("unix://").unwrap().to_owned();
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut engine = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut client, &mut engine).await) });
        }
    })
}

#[tokio::test]
async fn a_fault_is_restored_although_the_engine_has_another_address_by_now() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let socket = lab.dir.path().join("forwarded.sock");
    let forwarded = forward(&engine, &socket);
    let there = Engine::connect_to(&format!("unix://{}", socket.display())).await.unwrap();
    assert_eq!(there.id(), engine.id());
    let (machine, program) = (Machine { engine: Some(there) }, with_own_state(lab.dir.path()));
    let mut kept = KeeperClient::prepare(&machine, &fault(PAUSE, &lab.name), LONG, Some(&program)).await.unwrap();
    kept.apply().await.unwrap();
    kill(kept.pid().unwrap(), Signal::KILL);
    drop((kept, machine));
    forwarded.abort();
    std::fs::remove_file(&socket).unwrap();

    let restored = lab.restore();
    assert!(restored.code == Some(0) && restored.out.contains("undone"), "{restored:?}");
    assert!(lab.is_as_before().await);
    assert_eq!(lab.journals(), 0);
}

#[tokio::test]
async fn a_removed_container_has_nothing_to_undo() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let mut kept = lab.keeping(PAUSE, LONG).await.unwrap();
    kept.apply().await.unwrap();
    kill(kept.pid().unwrap(), Signal::KILL);
    lab.remove_container().await;
    let restored = lab.restore();
    assert!(restored.code == Some(0) && restored.out.contains("the target is gone"), "{restored:?}");
    assert_eq!(lab.journals(), 0);
}

#[tokio::test]
async fn an_impossible_fault_is_refused_before_anything_is_changed() {
    let Some(engine) = engine().await else { return };
    let lab = Lab::new(&engine).await;
    let program = with_own_state(lab.dir.path());
    let machine = Machine { engine: Some(engine) };
    let absent = fault(DISCONNECT, "absent");
    let error = KeeperClient::prepare(&machine, &absent, LONG, Some(&program)).await.err().unwrap();
    assert!(error.why.contains("no container has the name, compose service or id `absent`"), "{error}");
    let error = lab.keeping("kind = 'throttle'\ncpus = 1e-6", LONG).await.err().unwrap();
    assert!(error.to_string().contains("CPUs"), "{error}");
    assert_eq!(lab.journals(), 0);
}

#[test]
fn an_unreadable_journal_is_an_error_and_is_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("metawrk/faults");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.json"), "{}").unwrap();
    std::fs::write(folder.join(".half.json"), "{").unwrap();
    let ended = run(with_own_state(dir.path()).to_str().unwrap(), Path::new("/"), &["restore"]);
    assert!(ended.code == Some(1) && ended.err.contains("a.json") && !ended.err.contains("half"), "{ended:?}");
    assert!(folder.join("a.json").exists());
}
