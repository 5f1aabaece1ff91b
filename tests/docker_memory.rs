//! Containers as they are watched: the numbers of `docker stats`, through restarts and running out of memory.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use bollard::exec::StartExecOptions;
use bollard::models::{ExecConfig, HostConfig, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::KillContainerOptions;
use futures_util::StreamExt;
use metawrk::docker::{Engine, OUR_PROGRAM};
use metawrk::monitor::{ContainerMonitor, ContainerMonitorError, Monitor, RunningContainer};
use metawrk::record::event::ComponentState;
use metawrk::record::{Clock, Event, EventKind, Sample};
use metawrk::units::{self, Time};
use rustix::time::{ClockId, clock_gettime};
use support::docker::{Stack, Wanted, engine};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const MIB: u64 = 1 << 20;

/// With a limit on memory, and started again by the engine whenever it ends.
fn limited(mib: u64) -> Wanted {
    let always = RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None };
    let memory = Some((mib * MIB) as i64);
    let host = HostConfig { memory, memory_swap: memory, restart_policy: Some(always), ..Default::default() };
    Wanted { host, ..Default::default() }
}

async fn watched(engine: &Engine, id: &str) -> (ContainerMonitor, UnboundedReceiver<Event>) {
    let (events, told) = unbounded_channel();
    (RunningContainer::find(engine, id).await.unwrap().monitor(Clock::starting_in(Time::ZERO), events), told)
}

/// Looks ten times a second until a sample is as wanted.
async fn until(container: &mut ContainerMonitor, what: &str, wanted: impl Fn(&Sample) -> bool) -> Sample {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        if let Some(sample) = container.read_sample(units::Instant::START).filter(&wanted) {
            return sample;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} was never seen");
}

fn is_gap(sample: &Sample) -> bool {
    *sample == Sample { at: sample.at, source: sample.source.clone(), ..Sample::default() }
}

async fn states(told: &mut UnboundedReceiver<Event>, count: usize) -> Vec<(ComponentState, String)> {
    let mut states = Vec::new();
    while states.len() < count {
        let event = tokio::time::timeout(Duration::from_secs(30), told.recv()).await;
        let Event { what, .. } = event.unwrap_or_else(|_| panic!("{count} events, and only {states:?} came")).unwrap();
        let EventKind::Component { state, detail, .. } = what else { panic!("{what:?}") };
        states.push((state, detail));
    }
    states
}

/// An engine on the same socket that is not known to be on this machine.
async fn far(engine: &Engine) -> Engine {
    let socket = engine.host().strip_prefix("unix://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut engine = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut client, &mut engine).await) });
        }
    });
    Engine::connect_to(&format!("tcp://{address}")).await.unwrap()
}

#[tokio::test]
async fn memory_is_the_number_that_docker_stats_shows_here_and_from_afar() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let id = stack.add("db", limited(64)).await;
    let (mut here, _told) = watched(&engine, &id).await;
    let (mut away, _told) = watched(&far(&engine).await, &id).await;
    let has_numbers = |sample: &Sample| sample.memory_bytes.is_some();
    let mut pair = async || {
        let far = until(&mut away, "an answer of the engine", has_numbers).await;
        let near = until(&mut here, "a number", has_numbers).await;
        (near, far)
    };
    let apart = |(near, far): &(Sample, Sample)| near.memory_bytes.unwrap().abs_diff(far.memory_bytes.unwrap());
    let mut looks = Vec::new();
    // The container idles, and its memory comes to rest within some looks: the kernel counts what it frees late.
    while looks.last().is_none_or(|look| apart(look) > MIB / 4) {
        assert!(looks.len() < 15, "{looks:?}");
        looks.push(pair().await);
    }
    let (near, far) = looks.pop().unwrap();
    assert!(near.memory_bytes.unwrap() > MIB, "{near:?} {far:?}");
    assert_eq!((near.limit_bytes, near.threads, near.source.as_str()), (Some(64 * MIB), far.threads, &*id));
    assert_eq!(far.limit_bytes, Some(64 * MIB));
    assert!(near.resident_bytes > Some(0) && near.cpu_ns > Some(0) && far.cpu_ns > Some(0), "{near:?} {far:?}");
    // The engine tells once a second, and nothing is made up in between.
    assert_eq!(away.read_sample(units::Instant::START), None);
    assert!(here.read_sample(units::Instant::START).is_some());

    // As the docker client prints it, where there is one: `3.449MiB / 64MiB`.
    let args = ["-H", engine.host(), "stats", "--no-stream", "--format", "{{.MemUsage}}", &id];
    let Ok(shown) = Command::new("docker").args(args).output() else { return };
    let shown = String::from_utf8(shown.stdout).unwrap();
    let mib: f64 = shown.split("MiB").next().unwrap().parse().unwrap_or_else(|e| panic!("{e}: {shown}"));
    let ours = here.read_sample(units::Instant::START).unwrap().memory_bytes.unwrap() as f64 / MIB as f64;
    assert!((mib - ours).abs() < 0.25, "{shown} and {ours}");
}

#[tokio::test]
async fn a_restart_is_a_gap_and_told_and_the_new_group_is_found() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let id = stack.add("db", Wanted::default()).await;
    for engine in [engine.clone(), far(&engine).await] {
        let (mut container, mut told) = watched(&engine, &id).await;
        let before = until(&mut container, "a number", |sample| !is_gap(sample)).await;
        assert_eq!(before.limit_bytes, None, "there is no limit");
        stack.docker.kill_container(&id, None::<KillContainerOptions>).await.unwrap();
        until(&mut container, "a gap", is_gap).await;
        stack.docker.start_container(&id, None).await.unwrap();
        until(&mut container, "a number after the gap", |sample| !is_gap(sample)).await;
        let died = (ComponentState::Died, "exit code 137: killed".to_owned());
        assert_eq!(states(&mut told, 2).await, [died, (ComponentState::Restarted, String::new())]);
    }
}

#[tokio::test]
async fn running_out_of_memory_is_told_once_also_where_the_container_lives_on() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let id = stack.add("db", limited(64)).await;
    let (mut container, mut told) = watched(&engine, &id).await;
    // A further process in it, which takes more than there is, and is what the kernel kills.
    let greedy = [OUR_PROGRAM, "testbed", "compose-post", "--storage", "127.0.0.1:1", "--budget", "1024MiB"];
    for _ in 0..2 {
        let exec = ExecConfig { cmd: Some(greedy.map(str::to_owned).into()), ..Default::default() };
        let exec = stack.docker.create_exec(&id, exec).await.unwrap().id;
        let detached = StartExecOptions { detach: true, ..Default::default() };
        stack.docker.start_exec(&exec, Some(detached)).await.unwrap();
        assert_eq!(states(&mut told, 1).await[0].0, ComponentState::OutOfMemory);
        // The engine and the kernel's count both tell of it, within this.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert!(told.try_recv().is_err(), "told twice");
    assert!(container.read_sample(units::Instant::START).unwrap().memory_bytes.is_some());
}

#[tokio::test]
async fn a_container_that_does_not_run_or_is_not_there_is_refused() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let id = stack.add("db", Wanted::default()).await;
    stack.docker.kill_container(&id, None::<KillContainerOptions>).await.unwrap();
    let mut events = std::pin::pin!(engine.events(std::slice::from_ref(&id)));
    while stack.details(&id).await.running {
        let _ = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
    }
    let error = RunningContainer::find(&engine, &id).await.err().unwrap();
    assert!(
        matches!(&error, ContainerMonitorError::NotRunning(_)) && error.to_string().contains("docker start"),
        "{error}"
    );
    let error = RunningContainer::find(&engine, "no-such-container").await.err().unwrap();
    assert!(error.to_string().contains("no container"), "{error}");
}

#[tokio::test]
async fn looking_ten_times_a_second_costs_less_than_a_hundredth_of_a_core() {
    const LOOKS: u32 = 500;
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let id = stack.add("db", limited(64)).await;
    let (mut container, _told) = watched(&engine, &id).await;
    let cpu = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    };
    let start = cpu();
    for _ in 0..LOOKS {
        assert!(container.read_sample(units::Instant::START).unwrap().memory_bytes.is_some());
    }
    let look = (cpu() - start) / LOOKS;
    assert!(look < Duration::from_millis(1), "a look takes {look:?}");
}
