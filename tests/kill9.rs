//! Runs with a fault on a real container, killed with SIGKILL at random moments, their keepers too, also while the fault
//! is applied and removed: after each, and `metawrk restore` where the keeper died, the container is as it was.
//!
//! `METAWRK_KILL9=200` sets the number of runs, and `METAWRK_KILL9_SEED` chooses other moments.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bollard::models::HostConfig;
use metawrk::docker::{Details, Engine};
use metawrk::fault::{KeeperClient, KeptFault, Machine, Schedule, drive};
use metawrk::record::Clock;
use metawrk::units::Time;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::Signal;
use support::docker::{Stack, Wanted, engine, fault};
use support::program::{is_alive, kill, run};
use support::state::{journals, with_own_state};
use tokio::sync::{mpsc, watch};

const FEW: usize = 8;
const MANY: usize = 40;
/// Containers that are tested at once, each on a network of its own.
const LANES: usize = 4;
const LASTING: Time = Time::from_millis(700);

const FAULTS: [&str; 8] = [
    "kind = 'disconnect'",
    "kind = 'blackhole'",
    "kind = 'pause'",
    "kind = 'kill'",
    "kind = 'stop'",
    "kind = 'restart'",
    "kind = 'throttle'\ncpus = 0.2",
    "kind = 'memory-limit'\nlimit = '96MiB'",
];

/// The run: a process of its own, which prints its steps.
#[test]
#[ignore = "started by the test below"]
fn runner() {
    let Ok(order) = std::env::var("METAWRK_KILL9_RUN") else { return };
    let (program, fault) = serde_json::from_str::<(String, KeptFault)>(&order).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let machine = Machine { engine: Some(Engine::connect().await.unwrap()) };
        let kept = KeeperClient::prepare(&machine, &fault, LASTING, Some(Path::new(&program))).await;
        let mut kept = kept.unwrap();
        println!("\nkeeper {}", kept.pid().unwrap());
        let (tell, mut told) = mpsc::unbounded_channel();
        let (_cancel, cancelled) = watch::channel(false);
        let clock = Clock::starting_in(Time::ZERO);
        let schedule = Schedule { at: Time::ZERO, lasting: LASTING };
        let telling = tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                println!("{}", serde_json::to_string(&event).unwrap());
            }
        });
        let outcome = drive(&mut kept, 0, schedule, || clock.now(), tell, cancelled).await;
        telling.await.unwrap();
        println!("done {outcome:?}");
        // Until it is killed.
        std::thread::sleep(Duration::from_secs(60));
    });
}

/// When a run is killed: this long after it printed something.
struct Moment {
    after: &'static str,
    delay: Duration,
    keeper_too: bool,
    keeper_first: bool,
}

impl Moment {
    fn choose(random: &mut ChaCha8Rng) -> Moment {
        let mut below = |n: u64| random.next_u64() % n;
        // Applying and removing take some 10 ms; a look from a peer some 700.
        let (after, spread_ms) = match below(8) {
            0 => ("", 2500),
            1..4 => ("\"commanded\"", 150),
            4 => ("\"effective\"", 700),
            5 | 6 => ("\"removal-commanded\"", 150),
            _ => ("\"removal-commanded\"", 900),
        };
        let delay = Duration::from_micros(below(spread_ms * 1000));
        Moment { after, delay, keeper_too: below(2) == 0, keeper_first: below(2) == 0 }
    }
}

/// What must be as before, as text: a difference is readable.
fn state(engine: &Engine, details: &Details) -> BTreeMap<&'static str, String> {
    let cgroup = |controller| engine.cgroup(details, controller);
    let cpu = cgroup("cpu").map(|cgroup| cgroup.cpu_quota());
    let memory = cgroup("memory").map(|cgroup| cgroup.memory_limit());
    BTreeMap::from([
        ("endpoints", format!("{:?}", details.endpoints)),
        ("running, paused", format!("{:?}", (details.running, details.paused))),
        ("CPU", format!("{cpu:?} {} {}", details.cpu_quota.max(0), details.nano_cpus)),
        ("memory", format!("{memory:?} {} {}", details.memory, details.memory_swap)),
    ])
}

/// What the runs went through.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    /// Killed while the fault was on, or on its way to be or to be no more.
    amid: usize,
    keepers_killed: usize,
    /// By `metawrk restore`, since the keeper was killed amid it.
    restored: usize,
    by_moment: BTreeMap<&'static str, usize>,
}

#[test]
fn the_container_is_as_before_whatever_is_killed_and_when() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<usize>().unwrap());
    let runs = number("METAWRK_KILL9").unwrap_or(FEW);
    let seed = number("METAWRK_KILL9_SEED").unwrap_or(1) as u64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(engine) = runtime.block_on(engine()) else { return };
    let lanes: Vec<_> = (0..LANES.min(runs))
        .map(|lane| {
            let (engine, share) = (engine.clone(), (runs + LANES - 1 - lane) / LANES);
            std::thread::spawn(move || {
                kill_runs(&engine, lane, share, ChaCha8Rng::seed_from_u64(seed + 1000 * lane as u64))
            })
        })
        .collect();
    let tallies: Vec<_> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    for tally in &tallies {
        println!("{tally:?}");
    }
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    assert_eq!(sum(|tally| tally.runs), runs);
    // This many runs cannot all have missed the fault.
    if runs >= MANY {
        assert!(sum(|tally| tally.amid) > 0 && sum(|tally| tally.restored) > 0, "{tallies:?}");
    }
}

fn kill_runs(engine: &Engine, lane: usize, runs: usize, mut random: ChaCha8Rng) -> Tally {
    // Connections belong to one runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stack = runtime.block_on(Stack::new(engine, None));
    let host = HostConfig { memory: Some(256 << 20), ..Default::default() };
    let id = runtime.block_on(stack.add("db", Wanted { host, ..Default::default() }));
    let dir = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    for run in 0..runs {
        // Each kind in turn, beginning with another in each lane.
        let fault = fault(FAULTS[(run + 2 * lane) % 8], &id);
        let moment = Moment::choose(&mut random);
        let before = runtime.block_on(stack.details(&id));
        let state_before = state(engine, &before);
        let told = one_run(dir.path(), &fault, &moment, &mut tally);
        let now = runtime.block_on(stack.details(&id));
        let context = format!("{} after {:?} + {:?}: {told}", fault.kind(), moment.after, moment.delay);
        assert_eq!(state(engine, &now), state_before, "{context}");
        assert!(runtime.block_on(until(async || stack.serves(&id).await)), "{context}");
        let left = journals(dir.path());
        assert_eq!(left, 0, "journals: {context}");
        tally.runs += 1;
    }
    tally
}

/// One run and its death; returns when all is undone. The output of `restore`.
fn one_run(dir: &Path, fault: &KeptFault, moment: &Moment, tally: &mut Tally) -> String {
    let program = with_own_state(dir);
    let order = serde_json::to_string(&(program.to_str().unwrap(), fault)).unwrap();
    let mut runner = Command::new(std::env::current_exe().unwrap());
    runner.args(["--exact", "runner", "--ignored", "--nocapture"]).env("METAWRK_KILL9_RUN", order);
    let mut runner = runner.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let (tell, told) = channel();
    let lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));

    let named = |line: &str| line.strip_prefix("keeper ").map(|pid| pid.parse::<u32>().unwrap());
    let mut keeper = None;
    let mut kill_at = moment.after.is_empty().then(|| Instant::now() + moment.delay);
    loop {
        let left = kill_at.map_or(Duration::from_secs(60), |at| at.saturating_duration_since(Instant::now()));
        match told.recv_timeout(left) {
            Ok(line) => {
                keeper = keeper.or_else(|| named(&line));
                if kill_at.is_none() && line.contains(moment.after) {
                    kill_at = Some(Instant::now() + moment.delay);
                }
            }
            Err(RecvTimeoutError::Timeout) if kill_at.is_some() => break,
            Err(RecvTimeoutError::Timeout) => panic!("the run hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("the run ended without being killed"),
        }
    }
    let what_is_left = || journals(dir);
    tally.amid += what_is_left();
    *tally.by_moment.entry(moment.after).or_default() += 1;
    let keeper_killed = keeper.filter(|pid| moment.keeper_too && is_alive(*pid));
    if let Some(pid) = keeper_killed.filter(|_| moment.keeper_first) {
        kill(pid, Signal::KILL);
    }
    let _ = runner.kill();
    let _ = runner.wait();
    // It may have printed its keeper's pid last.
    keeper = keeper.or_else(|| told.iter().find_map(|line| named(&line)));
    if let Some(pid) = keeper_killed.filter(|pid| !moment.keeper_first && is_alive(*pid)) {
        kill(pid, Signal::KILL);
    }
    match keeper_killed {
        Some(_) => {
            tally.keepers_killed += 1;
            tally.restored += what_is_left();
            let restored = run(program.to_str().unwrap(), Path::new("/"), &["restore"]);
            assert_eq!(restored.code, Some(0), "{restored:?}");
            restored.out
        }
        None => {
            let gone = || keeper.is_none_or(|pid| !is_alive(pid)) && what_is_left() == 0;
            let deadline = Instant::now() + Duration::from_secs(60);
            while !gone() {
                assert!(Instant::now() < deadline, "the keeper of `{}` does not end", fault.kind());
                std::thread::sleep(Duration::from_millis(20));
            }
            String::new()
        }
    }
}

async fn until(mut happened: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..100 {
        if happened().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
