//! Compares metawrk's wrk2 with other load generators. They run in turn against the same server, which runs alone on
//! the other core:
//!
//!     WRK2=path WRK=/usr/bin/wrk OHA=path HEY=path cargo bench --bench versus -- [speed light heavy server start memory calls]
//!
//! Programs without a variable are left out. `floor` is the cost of the system calls alone. ROUNDS (default 5) and SECONDS
//! per run (default 3) can be set too. A ratio compares two programs in the same round; the tables show the median of the
//! ratios, the minimum and the maximum.

mod floor;
mod peers;
mod server;

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use metawrk::procfs;
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
            let (time, spins) = (Duration::from_secs(number(seconds)), *mode == "spin");
            let median = floor::median(address(url), number(connections) as usize, number(rate) as u32, time, spins)?;
            println!("median {}us", median.as_nanos() as f64 / 1e3);
            return Ok(());
        }
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
    let parts: [(&str, Part); 7] = [
        ("speed", speed),
        ("light", |bench| latency(bench, 2000)),
        ("heavy", |bench| latency(bench, 20_000)),
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

struct Bench {
    server: Server,
    peers: Vec<Peer>,
    rounds: u64,
    seconds: u64,
}

impl Bench {
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Measures each of `peers` once a round.
    fn measure(
        &self,
        peers: &[&Peer],
        mut measure: impl FnMut(&Peer) -> io::Result<Option<f64>>,
    ) -> io::Result<Series> {
        let mut series = Series::default();
        for _ in 0..self.rounds {
            for peer in peers {
                self.server.take_requests();
                if let Some(value) = measure(peer)? {
                    series.0.entry(peer.name).or_default().push(value);
                }
            }
        }
        Ok(series)
    }
}

/// The measured values of each program, one per round.
#[derive(Default)]
struct Series(BTreeMap<&'static str, Vec<f64>>);

impl Series {
    /// Prints a line for each program, in the order of `peers`, with its ratio to `to`.
    fn show(&self, title: &str, peers: &[&Peer], to: &str) {
        println!("\n{title}");
        for peer in peers {
            let Some(values) = self.0.get(peer.name) else {
                println!("  {:<16} no figure", peer.name);
                continue;
            };
            let ratios = match self.0.get(to).filter(|_| to != peer.name) {
                Some(others) => {
                    let ratios: Vec<f64> = values.iter().zip(others).map(|(value, other)| value / other).collect();
                    format!("   {:>6.2} of {to} ({:.2} to {:.2})", median(&ratios), least(&ratios), greatest(&ratios))
                }
                None => String::new(),
            };
            println!(
                "  {:<16} {:>9.2} ({:.2} to {:.2}){ratios}",
                peer.name,
                median(values),
                least(values),
                greatest(values)
            );
        }
    }
}

fn speed(bench: &Bench) -> io::Result<()> {
    let peers: Vec<_> = bench.peers.iter().filter(|peer| peer.runs_at_full_speed()).collect();
    let mut rate = String::new();
    let mut user = Series::default();
    let cpu = bench.measure(&peers, |peer| {
        let before = children_cpu()?;
        run(peer.at_full_speed(&bench.server.url, CONNECTIONS, &rate, bench.time()))?;
        let (after, requests) = (children_cpu()?, bench.server.take_requests().len() as f64);
        if peer.kind == Kind::Floor {
            rate = unreachable_rate(requests, bench.time());
        }
        user.0.entry(peer.name).or_default().push((after.0 - before.0) * 1e6 / requests);
        Ok(Some((after.0 - before.0 + after.1 - before.1) * 1e6 / requests))
    })?;
    cpu.show("CPU per request at full speed, us (user + system)", &peers, "floor");
    cpu.show("CPU per request at full speed, us, relative to ours", &peers, "ours");
    user.show("of this in user space, us", &peers, "floor");
    let per_core =
        Series(cpu.0.iter().map(|(name, values)| (*name, values.iter().map(|us| 1e6 / us).collect())).collect());
    per_core.show("requests/s per core at full speed", &peers, "floor");
    Ok(())
}

/// A rate argument above what a core can send, if the bare system calls have just sent `requests`. With a much higher rate,
/// most records would be of unsent requests.
fn unreachable_rate(requests: f64, time: Duration) -> String {
    format!("-R{:.0}", requests / time.as_secs_f64() * 1.25)
}

/// The reported latency at a constant rate and its CPU time, compared with minimal clients that spin and that sleep until
/// a response arrives.
fn latency(bench: &Bench, rate: u32) -> io::Result<()> {
    let peers: Vec<_> = bench.peers.iter().filter(|p| p.paces() && p.kind != Kind::Recording).collect();
    let (mut lags, mut cpu) = ((Series::default(), Series::default()), Series::default());
    let medians = bench.measure(&peers, |peer| {
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
    medians.show(&format!("reported median latency at {rate}/s, us"), &peers, "floor");
    let ours: Vec<_> = peers.iter().copied().filter(|peer| peer.is_ours()).collect();
    lags.0.show("send lag, p50, us", &ours, "");
    lags.1.show("send lag, p99, us", &ours, "");
    cpu.show("CPU per request, us", &peers, "ours");
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

fn run(mut command: Command) -> io::Result<String> {
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{command:?} failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// User and system time of the children that have ended, in s (proc(5), fields 16 and 17).
fn children_cpu() -> io::Result<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    let seconds = |place: usize| fields[place - 3] / rustix::param::clock_ticks_per_second() as f64;
    Ok((seconds(16), seconds(17)))
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

fn us(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
