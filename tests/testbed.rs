//! The testbed with real processes, real memory limits and a real link.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytesize::ByteSize;
use metawrk::fault::{Fault, LinkBandwidth, LinkCut, LinkDelay, LinkLoss, LinkSpec, Outcome, Schedule, drive};
use metawrk::monitor::ProcessMonitor;
use metawrk::record::{Clock, Event, EventKind, FaultStep};
use metawrk::testbed::{LinkProbe, Role, Testbed, TestbedError, TestbedPlan, TestbedSettings};
use metawrk::units::{self, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

const FORM: &str = "username=username_1&user_id=1&text=abc @username_2 http://xyz&media_ids=[\"123\"]&media_types=[\"png\"]\
                    &post_type=0";

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_metawrk"))
}

async fn testbed() -> Testbed {
    Testbed::start(&TestbedPlan::default(), Some(program())).await.unwrap()
}

/// Sends a post as the compose-post script does. Returns the status and the body of the response.
async fn post(url: &str, form: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!(
        "POST http://localhost:8080/wrk2-api/post/compose HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.trim().to_owned())
}

/// Waits until `happened`, and fails after 30 s.
async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} never came");
        sleep(Duration::from_millis(10)).await;
    }
}

fn is_alive(pid: u32) -> bool {
    // A zombie has ended, although its parent has not waited for it.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_post_is_stored_and_an_invalid_field_is_named() {
    let testbed = testbed().await;
    assert_eq!(post(testbed.url(), FORM).await, (200, "Successfully upload post".into()));
    let wrong = FORM.replace("user_id=1", "user_id=one");
    assert_eq!(post(testbed.url(), &wrong).await, (400, "user_id is not a number: \"one\"".into()));
    assert_eq!(post(testbed.url(), "").await, (400, "username is missing".into()));
    testbed.stop().await;
}

#[tokio::test]
async fn posts_fail_slowly_while_the_link_is_cut_and_are_stored_again_afterwards() {
    let testbed = testbed().await;
    assert_eq!(post(testbed.url(), FORM).await.0, 200);
    testbed.link().cut().await.unwrap();
    assert_eq!(testbed.probe_link().await, LinkProbe::Unanswered);
    let start = Instant::now();
    assert_eq!(post(testbed.url(), FORM).await.0, 500);
    // The timeout of post-storage (300 ms), and the hold after a failure (4 s).
    assert!(start.elapsed() >= Duration::from_millis(4300), "{:?}", start.elapsed());
    testbed.link().heal().await.unwrap();
    assert_eq!(testbed.probe_link().await, LinkProbe::Answered);
    assert_eq!(post(testbed.url(), FORM).await.0, 200);
    testbed.stop().await;
}

#[tokio::test]
async fn a_request_continues_after_its_client_disconnects() {
    let testbed = testbed().await;
    let process = ProcessMonitor::new("compose-post", testbed.pid(Role::ComposePost));
    let healthy = process.read(units::Instant::START).memory_bytes.unwrap();
    let holds = |bytes: u64| process.read(units::Instant::START).memory_bytes.unwrap() >= healthy + bytes;
    testbed.link().cut().await.unwrap();
    // The client disconnects while its request waits for post-storage.
    assert!(timeout(Duration::from_millis(100), post(testbed.url(), FORM)).await.is_err());
    eventually("the memory of a failure", || holds(50 << 20)).await;
    testbed.stop().await;
}

#[tokio::test]
async fn thousands_of_requests_in_flight_do_not_kill_a_process_at_its_memory_limit() {
    const MANY: usize = 3000;
    let mut testbed = testbed().await;
    let process = ProcessMonitor::new("compose-post", testbed.pid(Role::ComposePost));
    assert_eq!(process.read(units::Instant::START).limit_bytes, Some(testbed.limit_bytes()));
    testbed.link().cut().await.unwrap();
    let requests: Vec<_> = (0..MANY)
        .map(|_| {
            let url = testbed.url().to_owned();
            tokio::spawn(async move { post(&url, FORM).await.0 })
        })
        .collect();
    let full = testbed.limit_bytes() - (10 << 20);
    eventually("the limit", || process.read(units::Instant::START).memory_bytes.unwrap() > full).await;
    testbed.link().heal().await.unwrap();
    let mut answered = 0;
    for request in requests {
        let status = timeout(Duration::from_secs(60), request).await.unwrap().unwrap();
        assert!([200, 500, 503].contains(&status), "{status}");
        answered += 1;
    }
    assert_eq!(answered, MANY);
    assert!(testbed.take_exits().try_recv().is_err(), "a process ended");
    // All memory is free again. Other memory of the process did not reduce the slots of the budget (4 MiB are spare).
    assert_eq!(post(testbed.url(), FORM).await.0, 200);
    let left = process.read(units::Instant::START).memory_bytes.unwrap();
    assert!(left <= testbed.limit_bytes() - TestbedPlan::default().budget.as_u64() + (1 << 20), "{left}");
    testbed.stop().await;
}

#[tokio::test]
async fn a_fault_cuts_and_restores_the_link_on_the_run_s_clock_and_verifies_both() {
    let testbed = testbed().await;
    let clock = Clock::starting_in(Time::ZERO);
    let (events, mut seen) = mpsc::unbounded_channel::<Event>();
    let (_cancel, cancelled) = watch::channel(false);
    let schedule = Schedule { at: Time::from_millis(50), lasting: Time::from_millis(600) };
    let mut fault = LinkCut {}.fault(testbed.link());
    assert_eq!(fault.kind(), "link-cut");
    let outcome = drive(fault.as_mut(), 0, schedule, || clock.now(), events, cancelled).await;
    assert_eq!(outcome, Outcome::Verified);
    let mut steps = Vec::new();
    let mut times = Vec::new();
    while let Some(Event { at, what }) = seen.recv().await {
        let EventKind::Fault { step, .. } = what else { panic!("{what:?}") };
        steps.push(step);
        times.push(at.0);
    }
    assert_eq!(
        steps,
        [FaultStep::Commanded, FaultStep::Effective, FaultStep::RemovalCommanded, FaultStep::RemovalVerified]
    );
    assert!(times.is_sorted() && times[0] >= 50_000_000 && times[2] >= 650_000_000, "{times:?}");
    testbed.stop().await;
}

#[tokio::test]
async fn delay_loss_and_bandwidth_faults_are_verified_by_requests_through_the_link() {
    let testbed = testbed().await;
    let faults: [Box<dyn LinkSpec>; 3] = [
        Box::new(LinkDelay { delay: Time::from_millis(25) }),
        Box::new(LinkLoss { loss: 0.2 }),
        Box::new(LinkBandwidth { bandwidth: bytesize::ByteSize(20_000) }),
    ];
    for fault in faults {
        let mut fault: Box<dyn Fault> = fault.fault(testbed.link());
        let kind = fault.kind().to_owned();
        fault.verify_removed().await.unwrap_or_else(|e| panic!("{kind}, before: {e}"));
        fault.apply().await.unwrap();
        fault.verify_applied().await.unwrap_or_else(|e| panic!("{kind}: {e}"));
        fault.remove().await.unwrap();
        fault.verify_removed().await.unwrap_or_else(|e| panic!("{kind}, after: {e}"));
    }
    testbed.stop().await;
}

#[tokio::test]
async fn an_unexpected_exit_of_a_role_is_reported() {
    let mut testbed = testbed().await;
    let pid = rustix::process::Pid::from_raw(testbed.pid(Role::PostDb) as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let exit = timeout(Duration::from_secs(30), testbed.next_exit()).await.unwrap().unwrap();
    assert_eq!((exit.role, exit.signal), (Role::PostDb, Some(9)), "{exit:?}");
    // Processes that `stop` ends are not reported.
    let mut exits = testbed.take_exits();
    testbed.stop().await;
    assert_eq!(exits.recv().await, None);
}

#[tokio::test]
async fn verifying_a_link_to_a_dead_database_fails_soon() {
    let testbed = testbed().await;
    let pid = rustix::process::Pid::from_raw(testbed.pid(Role::PostDb) as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let start = Instant::now();
    let error = LinkCut {}.fault(testbed.link()).verify_removed().await.unwrap_err();
    // A link that does not respond gets 5 s.
    assert!(error.why.contains("Failed") && start.elapsed() < Duration::from_secs(4), "{error} {:?}", start.elapsed());
    testbed.stop().await;
}

#[tokio::test]
async fn stopping_and_dropping_end_every_process() {
    for stop in [true, false] {
        let testbed = testbed().await;
        let pids = Role::ALL.map(|role| testbed.pid(role));
        assert!(pids.into_iter().all(is_alive));
        if stop {
            testbed.stop().await;
            assert!(!pids.into_iter().any(is_alive));
        } else {
            drop(testbed);
            eventually("their end", || !pids.into_iter().any(is_alive)).await;
        }
    }
}

#[tokio::test]
async fn a_testbed_outlives_the_thread_that_started_it() {
    let handle = tokio::runtime::Handle::current();
    let (sender, started) = tokio::sync::oneshot::channel();
    let starter = std::thread::spawn(move || drop(sender.send(handle.block_on(testbed()))));
    let testbed = started.await.unwrap();
    starter.join().unwrap();
    assert_eq!(post(testbed.url(), FORM).await.0, 200);
    assert_eq!(testbed.probe_link().await, LinkProbe::Answered);
    testbed.stop().await;
}

#[tokio::test]
async fn all_roles_end_when_the_supervisor_is_killed() {
    // Its standard input stays open, so that only the end of the supervisor ends the roles.
    let mut supervisor =
        Command::new(program()).args(["testbed", "run"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pids: Vec<u32> = lines.by_ref().take(4).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    let serving = lines.find(|line| line.starts_with("serving: ")).unwrap();
    let address = serving.split('/').nth(2).unwrap().to_owned();
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    assert!(TcpStream::connect(&address).await.is_ok());

    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    // Their ports are not checked: another test may use them by now.
    eventually("the end of its roles", || !pids.iter().any(|pid| is_alive(*pid))).await;
}

#[tokio::test]
async fn an_error_names_the_role_that_does_not_start_and_the_reason() {
    let missing = PathBuf::from("/nowhere/metawrk");
    let error = Testbed::start(&TestbedPlan::default(), Some(&missing)).await.err().unwrap();
    assert!(matches!(error, TestbedError::Spawn { role: Role::PostDb, .. }), "{error:?}");
    // A program without roles: it ends at once, with a message on standard error.
    let error = Testbed::start(&TestbedPlan::default(), Some(Path::new("/bin/ls"))).await.err().unwrap();
    let TestbedError::NotReady { role: Role::PostDb, stderr, .. } = error else { panic!("{error:?}") };
    assert!(!stderr.is_empty());
}

/// Starts a single role, as in a container. Returns its process and its address.
fn start_role(args: &[&str]) -> (std::process::Child, String) {
    let mut role = Command::new(program());
    let mut role = role.arg("testbed").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(role.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    (role, ready.split(' ').nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn a_single_role_ends_at_sigterm_and_sigint() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let (mut role, address) = start_role(&["post-db"]);
        assert!(TcpStream::connect(&address).await.is_ok());
        rustix::process::kill_process(rustix::process::Pid::from_child(&role), signal).unwrap();
        assert_eq!(role.wait().unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn with_give_back_after_idle_memory_returns_to_the_system() {
    let (mut db, db_at) = start_role(&["post-db"]);
    let (mut storage, storage_at) = start_role(&["post-storage", "--db", &db_at]);
    let (mut compose, at) = start_role(&["compose-post", "--storage", &storage_at, "--give-back-after", "50ms"]);
    let process = ProcessMonitor::new("compose-post", compose.id());
    eventually("less memory", || process.read(units::Instant::START).resident_bytes.unwrap() < 100 << 20).await;
    // Half of the 124 MiB is kept for a burst.
    assert!(process.read(units::Instant::START).resident_bytes.unwrap() > 55 << 20);
    // The rest is available again.
    assert_eq!(post(&format!("http://{at}"), FORM).await.0, 200);
    for role in [&mut compose, &mut storage, &mut db] {
        role.kill().unwrap();
        role.wait().unwrap();
    }
}

#[test]
fn an_address_without_a_port_is_refused() {
    let output = Command::new(program()).args(["testbed", "post-storage", "--db", "post-storage-db"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("Write HOST:PORT"), "{stderr}");
}

#[test]
fn a_budget_with_memory_for_one_more_request_is_refused_in_settings_and_options() {
    let settings = TestbedSettings { budget: ByteSize::mib(128), ..TestbedSettings::default() };
    assert!(TestbedPlan::new(settings).is_err());
    let output = Command::new(program()).args(["testbed", "run", "--budget", "128MiB"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("budget 128.0 MiB"), "{stderr}");
}
