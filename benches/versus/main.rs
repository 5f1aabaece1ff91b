//! Compares metawrk's wrk2 with other load generators. They run in turn against the same server, which runs alone on
//! the other core:
//!
//!     WRK2=path WRK=/usr/bin/wrk OHA=path HEY=path H2LOAD=path cargo bench --bench versus -- [PART...]
//!
//! The parts are those of `main`; without an argument all of them run. Programs without a variable are left out. `floor` is the cost of the system calls alone. ROUNDS (default 5) and SECONDS
//! per run (default 3) can be set too. A ratio compares two programs in the same round; the tables show the median of the
//! ratios, the minimum and the maximum.

mod floor;
mod measure;
mod neighbour;
mod nginx;
mod peers;
mod protocols;
mod server;

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use floor::Client;
use measure::{Bench, Series, children_cpu, run, us};
use metawrk::procfs;
use neighbour::Neighbour;
use peers::{Kind, Peer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::{Server, pin_to_core};

const CONNECTIONS: usize = 50;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [mode @ ("floor" | "loop"), url, connections, seconds] => {
            let run = if *mode == "floor" { floor::full_speed } else { floor::event_loop };
            return run(address(url), number(connections) as usize, Duration::from_secs(number(seconds)));
        }
        [mode @ ("spin" | "sleep"), url, connections, rate, seconds] => {
            let client = if *mode == "spin" { Client::Spins } else { Client::SleepsForResponse };
            let (connections, rate) = (number(connections) as usize, number(rate) as u32);
            let median = floor::median(address(url), connections, rate, Duration::from_secs(number(seconds)), client)?;
            println!("median {}us", median.as_nanos() as f64 / 1e3);
            return Ok(());
        }
        ["thrash", core] => neighbour::thrash(number(core) as usize),
        _ => {}
    }
    raise_open_files();
    let bench = Bench {
        server: Server::start(Some(1))?,
        peers: Peer::all(),
        rounds: setting("ROUNDS", 5),
        seconds: setting("SECONDS", 3),
    };
    pin_to_core(0);
    let parts: [(&str, Part); 11] = [
        ("speed", speed),
        ("https", protocols::https),
        ("http2", protocols::http2),
        ("neighbour", beside_a_neighbour),
        ("light", |bench| on_time(bench, 2000)),
        ("heavy", |bench| on_time(bench, 20_000)),
        ("slack", |bench| [2000, 20_000, 50_000].into_iter().try_for_each(|rate| with_slack(bench, rate))),
        ("server", arrivals_at_server),
        ("start", start),
        ("memory", memory),
        ("calls", calls),
    ];
    if let Some(unknown) = args.iter().find(|arg| !parts.iter().any(|(name, _)| name == *arg)) {
        let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
        return Err(io::Error::other(format!("unknown part `{unknown}`. The parts are {}", names.join(", "))));
    }
    for (name, part) in parts {
        if args.is_empty() || args.contains(&name) {
            part(&bench)?;
        }
    }
    Ok(())
}

/// A part of the comparison.
type Part = fn(&Bench) -> io::Result<()>;

fn speed(bench: &Bench) -> io::Result<()> {
    full_speed(bench, &bench.peers.iter().filter(|peer| peer.runs_at_full_speed()).collect::<Vec<_>>())
}

/// The same beside a process that fills the caches, on the core of the server and then on that of the generator.
fn beside_a_neighbour(bench: &Bench) -> io::Result<()> {
    let is_compared =
        |peer: &&Peer| matches!(peer.kind, Kind::Floor | Kind::Loop | Kind::Ours | Kind::Wrk | Kind::Wrk2);
    let peers: Vec<_> = bench.peers.iter().filter(is_compared).collect();
    for (core, whose) in [(1, "server"), (0, "generator")] {
        println!("\nBeside a process that fills the caches, on the core of the {whose}:");
        let _neighbour = Neighbour::start(core)?;
        full_speed(bench, &peers)?;
    }
    Ok(())
}

fn full_speed(bench: &Bench, peers: &[&Peer]) -> io::Result<()> {
    let mut rate = String::new();
    let mut user = Series::default();
    let cpu = bench.measure(peers, |peer| {
        let before = children_cpu()?;
        run(peer.at_full_speed(&bench.server.url, CONNECTIONS, &rate, bench.time()))?;
        let (after, requests) = (children_cpu()?, bench.server.take_requests().len() as f64);
        if peer.kind == Kind::Floor {
            rate = unreachable_rate(requests, bench.time());
        }
        user.0.entry(peer.name).or_default().push((after.0 - before.0) * 1e6 / requests);
        Ok(Some((after.0 - before.0 + after.1 - before.1) * 1e6 / requests))
    })?;
    cpu.show("CPU per request at full speed, us (user + system)", peers, "floor");
    cpu.show("CPU per request at full speed, us, relative to ours", peers, "ours");
    user.show("of this in user space, us", peers, "floor");
    let per_core =
        Series(cpu.0.iter().map(|(name, values)| (*name, values.iter().map(|us| 1e6 / us).collect())).collect());
    per_core.show("requests/s per core at full speed", peers, "floor");
    Ok(())
}

/// A rate argument above what a core can send, if the bare system calls have just sent `requests`. With a much higher rate,
/// most records would be of unsent requests.
pub fn unreachable_rate(requests: f64, time: Duration) -> String {
    format!("-R{:.0}", requests / time.as_secs_f64() * 1.25)
}

/// The reported latency at a constant rate and its CPU time, compared with minimal clients that spin and that sleep until
/// a response arrives.
fn on_time(bench: &Bench, rate: u32) -> io::Result<()> {
    let is_variant = |peer: &Peer| matches!(peer.kind, Kind::Recording | Kind::Slack(_));
    let peers: Vec<_> = bench.peers.iter().filter(|peer| peer.paces() && !is_variant(peer)).collect();
    latency(bench, rate, &peers, "ours")
}

/// The same for ours with and without slack.
fn with_slack(bench: &Bench, rate: u32) -> io::Result<()> {
    let is_compared = |peer: &&Peer| matches!(peer.kind, Kind::Ours | Kind::Slack(_) | Kind::Wrk2);
    latency(bench, rate, &bench.peers.iter().filter(is_compared).collect::<Vec<_>>(), "wrk2")
}

fn latency(bench: &Bench, rate: u32, peers: &[&Peer], to: &str) -> io::Result<()> {
    let (mut lags, mut cpu) = ((Series::default(), Series::default()), Series::default());
    let medians = bench.measure(peers, |peer| {
        let before = children_cpu()?;
        let text = run(peer.paced(&bench.server.url, CONNECTIONS, &format!("-R{rate}"), bench.time()))?;
        let (after, requests) = (children_cpu()?, bench.server.take_requests().len() as f64);
        cpu.0.entry(peer.name).or_default().push((after.0 - before.0 + after.1 - before.1) * 1e6 / requests);
        if let Some((p50, p99)) = send_lag(&text) {
            lags.0.0.entry(peer.name).or_default().push(p50);
            lags.1.0.entry(peer.name).or_default().push(p99);
        }
        Ok(peer.median(&text).map(us))
    })?;
    medians.show(&format!("reported median latency at {rate}/s, us"), peers, "floor");
    let ours: Vec<_> = peers.iter().copied().filter(|peer| peer.is_ours()).collect();
    lags.0.show("send lag, p50, us", &ours, "");
    lags.1.show("send lag, p99, us", &ours, "");
    cpu.show("CPU per request, us", peers, to);
    Ok(())
}

/// `send lag    p50 44.10us, p99 0.12ms, max 1.20ms`
fn send_lag(text: &str) -> Option<(f64, f64)> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("send lag"))?;
    let part = |name| line.split(", ").find_map(|part| part.trim().strip_prefix(name)).map(str::trim);
    Some((us(peers::duration(part("p50")?)?), us(peers::duration(part("p99")?)?)))
}

/// The rate at which requests arrive at the server, and the distribution of random gaps there.
fn arrivals_at_server(bench: &Bench) -> io::Result<()> {
    let peers: Vec<_> = bench.peers.iter().filter(|p| matches!(p.kind, Kind::Ours | Kind::Wrk2)).collect();
    let ten = Duration::from_secs(10);
    let rate = bench.measure(&peers, |peer| {
        run(peer.paced(&bench.server.url, CONNECTIONS, "-R50000", ten))?;
        let arrived = bench.server.take_requests();
        let span = arrived.last().zip(arrived.first()).map(|(last, first)| (*last - *first).as_secs_f64());
        Ok(span.map(|span| (arrived.len() - 1) as f64 / span))
    })?;
    rate.show("requests/s that arrive at 50000/s, over 10 s", &peers, "");
    let ours: Vec<_> = bench.peers.iter().filter(|p| p.kind == Kind::Ours).collect();
    // With a wake-up latency, two requests seem to arrive at the same time.
    bench.server.set_spin(true);
    for (rate, seconds) in [(200.0, 11), (2000.0, 2)] {
        let distance = bench.measure(&ours, |peer| {
            let mut command =
                peer.paced(&bench.server.url, CONNECTIONS, &format!("-R{rate}"), Duration::from_secs(seconds));
            command.args(["-D", "exp"]);
            run(command)?;
            let arrived = bench.server.take_requests();
            let gaps = arrived.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
            Ok(Some(distance_from_exponential(gaps.take(2000).collect(), rate)))
        })?;
        let title = format!(
            "Kolmogorov-Smirnov distance of 2000 gaps at {rate}/s to the exponential distribution (below 0.030 at the 5 % level)"
        );
        distance.show(&title, &ours, "");
    }
    bench.server.set_spin(false);
    Ok(())
}

/// The greatest difference between the distribution of `gaps` and the exponential distribution.
fn distance_from_exponential(mut gaps: Vec<f64>, rate: f64) -> f64 {
    gaps.sort_by(f64::total_cmp);
    let n = gaps.len() as f64;
    let distance = gaps.iter().enumerate().map(|(i, gap)| {
        let expected = 1.0 - (-gap * rate).exp();
        (expected - i as f64 / n).abs().max(((i + 1) as f64 / n - expected).abs())
    });
    distance.fold(0.0, f64::max)
}

fn start(bench: &Bench) -> io::Result<()> {
    let peers: Vec<_> = bench.peers.iter().filter(|peer| peer.is_plain()).collect();
    let first = bench.measure(&peers, |peer| {
        let began = Instant::now();
        run(peer.paced(&bench.server.url, CONNECTIONS, "-R1000", Duration::from_secs(1)))?;
        Ok(bench.server.take_requests().first().map(|first| (*first - began).as_secs_f64() * 1e3))
    })?;
    first.show("time from the start of the program to its first request, ms", &peers, "ours");
    Ok(())
}

fn memory(bench: &Bench) -> io::Result<()> {
    const MORE: usize = 5000;
    let peers: Vec<_> = bench.peers.iter().filter(|peer| peer.is_plain()).collect();
    let mut few = Series::default();
    let each = bench.measure(&peers, |peer| {
        let resident = |connections| resident(peer.paced(&bench.server.url, connections, "-R1000", bench.time()));
        let (least, most) = (resident(CONNECTIONS)?, resident(CONNECTIONS + MORE)?);
        few.0.entry(peer.name).or_default().push(least / 1e6);
        Ok(Some((most - least) / MORE as f64 / 1024.0))
    })?;
    few.show("resident memory with 50 connections, MB", &peers, "ours");
    each.show("memory per further connection, KiB", &peers, "ours");
    let speed: Vec<_> = bench.peers.iter().filter(|p| matches!(p.kind, Kind::Ours | Kind::Wrk2)).collect();
    for connections in [1, 1000, 10_000] {
        let cpu = bench.measure(&speed, |peer| {
            let before = children_cpu()?;
            run(peer.paced(&bench.server.url, connections, "-R20000", bench.time()))?;
            let (after, requests) = (children_cpu()?, bench.server.take_requests().len() as f64);
            Ok(Some((after.0 - before.0 + after.1 - before.1) * 1e6 / requests))
        })?;
        cpu.show(&format!("CPU per request at 20000/s over {connections} connections, us"), &speed, "ours");
    }
    Ok(())
}

/// The maximum of its resident memory, in bytes.
fn resident(mut command: Command) -> io::Result<f64> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut most = 0;
    while child.try_wait()?.is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        most = most.max(procfs::status_bytes(&status, "VmRSS").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(most as f64)
}

/// System calls per request, if strace is installed.
fn calls(bench: &Bench) -> io::Result<()> {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("\nsystem calls per request: not counted, strace is not installed");
        return Ok(());
    }
    let peers: Vec<_> = bench.peers.iter().filter(|peer| peer.runs_at_full_speed()).collect();
    let (mut rate, time) = (String::new(), Duration::from_secs(2));
    let counted = bench.measure(&peers, |peer| {
        let command = peer.at_full_speed(&bench.server.url, CONNECTIONS, &rate, time);
        let file = "/dev/shm/versus.strace";
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o", file]).arg(command.get_program()).args(command.get_args());
        run(strace)?;
        let text = std::fs::read_to_string(file)?;
        let total = text.lines().find(|line| line.trim_end().ends_with("total"));
        let total: Option<f64> = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        let requests = bench.server.take_requests().len() as f64;
        if peer.kind == Kind::Floor {
            rate = unreachable_rate(requests, time);
        }
        Ok(total.map(|total| total / requests))
    })?;
    counted.show("system calls per request at full speed, under strace", &peers, "floor");
    Ok(())
}

/// Raises the limit on open files to the hard limit.
fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| number(&text))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

fn address(url: &str) -> std::net::SocketAddr {
    url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address")
}
