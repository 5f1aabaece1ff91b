//! What happens to a load on several generators if something fails, or if a stranger connects: nothing is lost silently,
//! nobody sends what it should not, and strangers change nothing.

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use metawrk::cluster::launch::{LaunchError, LaunchOrder, Launcher, MakeLauncher};
use metawrk::cluster::meeting::OnLost;
use metawrk::cluster::{Cluster, Token};
use metawrk::load::{Generator, GeneratorResult, LoadError, LoadPlan, LoadSettings};
use metawrk::record::sink::{RecordForwarder, Recorder};
use metawrk::record::{Account, RequestRecord};
use metawrk::units::Time;
use rustix::process::Signal;
use serde_json::Value;
use support::program::{Ended, METAWRK, Started, children, eventually, is_alive, kill, started};
use support::{OK, Server};

/// The parts of a coordinator: their process ids, and where they join.
fn parts(coordinator: u32) -> Vec<(u32, SocketAddr)> {
    let address = |arguments: &[String]| {
        let at = arguments.iter().position(|argument| argument == "--join")?;
        arguments.get(at + 1)?.parse().ok()
    };
    children(coordinator).iter().filter_map(|(pid, arguments)| Some((*pid, address(arguments)?))).collect()
}

fn json(dir: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(dir.join("x.json")).unwrap()).unwrap()
}

/// A load on two local parts, once it has sent something.
fn running(server: &Server, dir: &Path, args: &[&str]) -> Started {
    let base = ["load", "-t1", "-c4", "-R200", "--on", "local", "-N2", "--json", "x.json"];
    let running = started(METAWRK, dir, &[&base, args, &[&server.url()]].concat());
    eventually("load", || server.requests.lock().unwrap().len() > 20);
    running
}

fn kill_part(running: &Started) {
    kill(parts(running.pid())[1].0, Signal::KILL);
}

#[test]
fn a_lost_part_stops_the_others_and_is_named() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let load = running(&server, dir.path(), &["-d60s"]);
    kill_part(&load);
    let killed = Instant::now();
    let ended = load.end();
    assert!(killed.elapsed() < Duration::from_secs(30), "the others stop");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let message =
        regex::Regex::new(r"INVALID: part [01] of 2 on \S+ was lost at \d+\.\d s: its connection was closed").unwrap();
    assert!(message.is_match(&ended.err), "{ended:?}");
    let report = json(dir.path());
    assert_eq!((&report["ended"], &report["account"]["balances"]), (&"failed".into(), &true.into()));
    let lost: Vec<bool> = report["parts"].as_array().unwrap().iter().map(|part| part["lost"].is_string()).collect();
    assert_eq!(lost.iter().filter(|lost| **lost).count(), 1, "{report}");
}

#[test]
fn without_a_lost_part_the_others_may_go_on_and_what_it_did_not_send_is_unsent() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let load = running(&server, dir.path(), &["-d4s", "--on-lost", "go-on"]);
    kill_part(&load);
    let ended = load.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (report, requests) = (json(dir.path()), server.requests.lock().unwrap().len() as u64);
    let account = &report["account"];
    assert_eq!((&account["scheduled"], &account["balances"]), (&800.into(), &true.into()), "{account}");
    let (sent, unsent) = (800 - account["unsent"].as_u64().unwrap(), account["unsent"].as_u64().unwrap());
    assert!(unsent > 100 && sent <= requests && requests - sent <= 100, "{sent} of {requests}, {account}");
    let whole = report["parts"].as_array().unwrap().iter().find(|part| part["lost"].is_null()).unwrap();
    assert_eq!((&whole["scheduled"], &whole["sent"]), (&400.into(), &400.into()), "{report}");
    assert!(ended.out.contains("What it had still to send counts as unsent"), "{ended:?}");
}

#[test]
fn without_their_coordinator_parts_end_and_send_nothing_more() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    for signal in [Signal::KILL, Signal::STOP] {
        let mut load = running(&server, dir.path(), &["-d3600s"]);
        let parts = parts(load.pid());
        assert_eq!(parts.len(), 2);
        load.send(signal);
        let killed = Instant::now();
        eventually("the end of the parts", || !parts.iter().any(|(pid, _)| is_alive(*pid)));
        // The time that it says, and a busy machine.
        assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
        let sent = server.requests.lock().unwrap().len();
        if signal == Signal::STOP {
            load.send(Signal::CONT);
            load.send(Signal::KILL);
        }
        assert!(load.has_ended_within(Duration::from_secs(30)));
        assert_eq!(server.requests.lock().unwrap().len(), sent);
        server.requests.lock().unwrap().clear();
    }
}

#[test]
fn a_signal_stops_all_parts_and_the_report_is_complete() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let load = running(&server, dir.path(), &["-d3600s"]);
    let parts = parts(load.pid());
    load.send(Signal::INT);
    let ended = load.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("stopped     by a signal") && ended.out.contains("Requests/sec:"), "{ended:?}");
    assert!(!parts.iter().any(|(pid, _)| is_alive(*pid)));
    let report = json(dir.path());
    assert_eq!((&report["ended"], &report["account"]["balances"]), (&"interrupted".into(), &true.into()));
    let answered = report["account"]["answered"].as_u64().unwrap();
    let requests = server.requests.lock().unwrap().len() as u64;
    assert!(answered <= requests && answered + 10 >= requests, "{answered} {requests}");
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Starts a part that nobody ordered.
fn stranger(address: SocketAddr, token: &str, hash: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(METAWRK);
    command.args(["agent", "--join", &address.to_string()]).env("METAWRK_TOKEN", token).env("METAWRK_PLAN_HASH", hash);
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The checksum of the plan that a part was started with.
fn plan_hash(part: u32) -> String {
    let environment = std::fs::read_to_string(format!("/proc/{part}/environ")).unwrap();
    environment.split('\0').find_map(|pair| pair.strip_prefix("METAWRK_PLAN_HASH=")).unwrap().to_owned()
}

#[test]
fn strangers_are_refused_and_change_nothing() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    // The parts have joined, and wait for `setup`.
    let gate = dir.path().join("gate");
    let script = format!(
        "function setup() while not io.open({:?}) do os.execute('sleep 0.05') end end",
        gate.display().to_string()
    );
    std::fs::write(dir.path().join("s.lua"), script).unwrap();
    let variable = format!("METAWRK_TOKEN={TOKEN}");
    let url = server.url();
    let args = [&variable, METAWRK, "load", "-t1", "-c4", "-R100", "-d3s", "-s", "s.lua", "--on", "local", "-N2"];
    let load = started("/usr/bin/env", dir.path(), &[&args[..], &["--json", "x.json", &url]].concat());
    eventually("two parts", || parts(load.pid()).len() == 2);
    let (pid, address) = parts(load.pid())[0];
    let hash = plan_hash(pid);

    // More connections than are kept, which say nothing or half of something, and garbage.
    let mut silent: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
    silent.iter_mut().step_by(2).for_each(|stream| drop(stream.write_all(&[0, 0, 0, 50, 0])));
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], &[0xff; 10_000], b"\0\0\0\x02\0\0\0\0{}"] {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(garbage);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
    }

    // Whoever has the address only: a wrong token, whatever else is right.
    let wrong = stranger(address, "ffffffffffffffffffffffffffffffff", &hash, &[]);
    assert!(wrong.code == Some(1) && wrong.err.contains("refused this part: the token is wrong"), "{wrong:?}");
    let other = stranger(address, TOKEN, "abc", &[]);
    assert!(other.code == Some(1) && other.err.contains("is not the plan of the coordinator"), "{other:?}");
    eventually("the parts to join", || {
        let again = stranger(address, TOKEN, &hash, &[("METAWRK_PART", "1"), ("METAWRK_PARTS", "2")]);
        again.code == Some(1) && again.err.contains("part 1 has joined already")
    });
    let third = stranger(address, TOKEN, &hash, &[("METAWRK_PART", "2"), ("METAWRK_PARTS", "3")]);
    assert!(third.code == Some(1) && third.err.contains("is one of 3, but the coordinator waits for 2"), "{third:?}");

    std::fs::write(&gate, "").unwrap();
    eventually("load", || !server.requests.lock().unwrap().is_empty());
    let late = stranger(address, TOKEN, &hash, &[]);
    assert!(late.code == Some(1) && late.err.contains("A part that is late"), "{late:?}");
    let ended = load.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(json(dir.path())["account"]["scheduled"], 300);
    // On a busy machine the last ones may stay unsent.
    let requests = server.requests.lock().unwrap().len();
    assert!((200..=300).contains(&requests), "{requests}");
    drop(silent);
}

#[test]
fn a_signal_before_the_start_ends_everything_at_once() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.lua"), "function setup() os.execute('sleep 60') end").unwrap();
    let args = ["load", "-R100", "-d1s", "-s", "s.lua", "--on", "local", "-N2", &server.url()];
    let load = started(METAWRK, dir.path(), &args);
    eventually("two parts", || parts(load.pid()).len() == 2);
    let parts = parts(load.pid());
    load.send(Signal::INT);
    let ended = load.end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(130), ""), "{ended:?}");
    eventually("the end of the parts", || !parts.iter().any(|(pid, _)| is_alive(*pid)));
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn a_signal_while_an_experiment_prepares_leaves_no_part() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.lua"), "function setup() os.execute('sleep 30') end").unwrap();
    let text = format!("name = 't'\n[target]\nurl = '{}'\n[load]\nrate = 50\nscript = 's.lua'\n", server.url());
    std::fs::write(dir.path().join("x.toml"), text).unwrap();
    let experiment = started(METAWRK, dir.path(), &["experiment", "--on", "local", "-N2", "x.toml"]);
    eventually("two parts", || parts(experiment.pid()).len() == 2);
    let parts = parts(experiment.pid());
    // Lua ignores SIGINT while it waits for the command.
    experiment.send(Signal::TERM);
    let ended = experiment.end();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert!(ended.err.contains("stopped before the load began"), "{ended:?}");
    // Not later: what a launcher started on other machines would stay.
    assert!(!parts.iter().any(|(pid, _)| is_alive(*pid)), "{ended:?}");
    assert!(!dir.path().join("results/latest").exists());
}

/// Starts the parts with these arguments besides those that they need: one list for each part that is started.
#[derive(Default)]
struct TestLauncher {
    arguments: Vec<Vec<&'static str>>,
    started: Vec<Child>,
}

impl Launcher for TestLauncher {
    fn address(&mut self) -> Result<IpAddr, LaunchError> {
        Ok(Ipv4Addr::LOCALHOST.into())
    }

    fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        for arguments in &self.arguments {
            let mut command = Command::new(METAWRK);
            command.args(order.arguments()).args(arguments).envs(order.environment()).stdin(Stdio::null());
            self.started.push(command.spawn().unwrap());
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), LaunchError> {
        Ok(())
    }

    fn remove(&mut self) -> Result<(), LaunchError> {
        for mut part in self.started.drain(..) {
            assert_eq!(part.wait().unwrap().code(), Some(0), "parts always exit with 0 once they were accepted");
        }
        Ok(())
    }
}

fn cluster(arguments: &[&[&'static str]]) -> Cluster {
    let arguments: Arc<Mutex<Vec<Vec<&str>>>> =
        Arc::new(Mutex::new(arguments.iter().map(|list| list.to_vec()).collect()));
    Cluster {
        parts: 2,
        launcher: MakeLauncher::new(move || {
            Box::new(TestLauncher { arguments: arguments.lock().unwrap().clone(), started: Vec::new() })
        }),
        listen: (None, 0),
        token: Some(Token::new(TOKEN).unwrap()),
        join_timeout: Time::from_secs(30),
        on_lost: OnLost::Stop,
        files: Vec::new(),
    }
}

fn plan(server: &Server) -> LoadPlan {
    let settings = LoadSettings { threads: 1, connections: 4, ..LoadSettings::new(server.url(), 200.0) };
    LoadPlan::new(LoadSettings { duration: Time::from_secs(1), ..settings }).unwrap()
}

fn run(cluster: &Cluster, plan: LoadPlan) -> Result<(GeneratorResult, Vec<RequestRecord>), LoadError> {
    let (forward, records) = RecordForwarder::new();
    let recorder = Recorder::start(vec![Box::new(forward)]).unwrap();
    let ready = cluster.prepare(vec![plan], Some(recorder.senders()), &|| false)?;
    let result = ready.start(Time::ZERO)?.finish()?;
    recorder.finish().unwrap();
    Ok((result, records.iter().flatten().collect()))
}

#[test]
fn a_clock_that_is_wrong_by_seconds_does_not_move_the_time_axis() {
    let server = Server::answering(OK);
    let (result, records) = run(&cluster(&[&["--clock-offset", "3s"], &[]]), plan(&server)).unwrap();
    assert_eq!(Account::of(&records), result.loads[0].account());
    assert_eq!((records.len(), result.lost), (200, None));
    let mut offsets: Vec<i64> = result.parts.iter().map(|part| part.clock_offset_ns).collect();
    offsets.sort_unstable();
    assert!((offsets[0] + 3_000_000_000).abs() < 100_000_000 && offsets[1].abs() < 100_000_000, "{offsets:?}");
    // Both parts have requests due at the same times, and send them then: the median, on a machine that may be busy.
    for thread in 0..2 {
        let of_part = records.iter().filter(|record| record.thread == thread);
        let mut lags: Vec<u64> = of_part.map(|record| record.sent.since(record.due).0).collect();
        lags.sort_unstable();
        assert!(lags.len() == 100 && lags[50] < 500_000_000, "{thread}: {lags:?}");
    }
    // The server saw them together: not 3 s apart.
    assert!(result.loads[0].duration() < Time::from_secs(2));
}

#[test]
fn a_part_that_is_missing_is_named_after_the_join_timeout() {
    let server = Server::answering(OK);
    let one = Cluster { join_timeout: Time::from_secs(2), ..cluster(&[&[]]) };
    let error = run(&one, plan(&server)).err().unwrap();
    assert!(matches!(error, LoadError::NotStarted(_)));
    let text =
        "nothing was sent: after 2s, not all of the 2 parts were ready. Missing: 1. Not ready: 0 (numbered from 0)";
    assert_eq!(error.to_string(), text);
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn a_third_part_of_two_sends_nothing() {
    let server = Server::answering(OK);
    let mut three = cluster(&[]);
    three.launcher = MakeLauncher::new(|| Box::new(ThreeOfTwo::default()));
    let (result, records) = run(&three, plan(&server)).unwrap();
    assert_eq!((result.loads[0].account().scheduled, records.len()), (200, 200));
    assert!(server.requests.lock().unwrap().len() <= 200);
}

/// Starts three parts, one of which is refused.
#[derive(Default)]
struct ThreeOfTwo(TestLauncher);

impl Launcher for ThreeOfTwo {
    fn address(&mut self) -> Result<IpAddr, LaunchError> {
        self.0.address()
    }

    fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        self.0.arguments = vec![Vec::new(); 3];
        self.0.launch(order)
    }

    fn check(&mut self) -> Result<(), LaunchError> {
        Ok(())
    }

    fn remove(&mut self) -> Result<(), LaunchError> {
        let mut codes: Vec<_> = self.0.started.drain(..).map(|mut part| part.wait().unwrap().code()).collect();
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(0), Some(1)]);
        Ok(())
    }
}
