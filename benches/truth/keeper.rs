//! How much of a reported median is the generator's own delay, at constant rates and without `--spin`.
//!
//! The server logs when it reads each request and when it writes each response. A client that spins shows what the two
//! ways over the loopback add. What a generator reports beyond these two and its send lag, it added itself: mostly the
//! time in which it slept although the response was there.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Bench;
use crate::figures::Check;
use crate::floor;
use crate::generator::Load;
use crate::loopback;
use crate::peers::{Kind, Peer};
use crate::report::Report;
use crate::server::Behaviour;

const CONNECTIONS: usize = 50;
const RATES: [u32; 2] = [2000, 20_000];
/// The greatest accepted error with the kernel's timestamps, in us.
const BOUND: f64 = 8.0;
/// The generator that the bound is for.
const KERNEL: &str = "ours, --timestamps kernel";

/// What is measured: metawrk's wrk2 with these arguments, or another generator.
enum Client {
    Ours(&'static str, &'static [&'static str]),
    Other(Peer),
}

/// Medians of a run, in us.
#[derive(Clone, Copy)]
struct Medians {
    reported: f64,
    send_lag: f64,
    server: f64,
    /// Both ways over the loopback, measured in the same round.
    loopback: f64,
}

pub fn run(bench: &Bench, report: &mut Report) -> io::Result<()> {
    let (rounds, seconds) = if bench.quick { (1, 2) } else { (5, 3) };
    let title = format!(
        "Medians at constant rates, in us: medians of {rounds} rounds of {seconds} s, {CONNECTIONS} connections"
    );
    report.begin_table(&title, &["rate", "generator", "reported", "send lag", "in the server", "loopback", "error"]);
    let clients = clients();
    for rate in RATES {
        let mut rounds_of = vec![Vec::new(); clients.len()];
        for _ in 0..rounds {
            let time = Duration::from_secs(seconds);
            let loopback = loopback::measure(bench, floor::Client::Spins, CONNECTIONS, rate, time)?;
            for (client, measured) in clients.iter().zip(&mut rounds_of) {
                measured.push(client.run(bench, rate, seconds, loopback)?);
            }
        }
        for (client, measured) in clients.iter().zip(&rounds_of) {
            let of = |part: fn(&Medians) -> f64| median(measured.iter().map(part).collect());
            let parts =
                [of(|m| m.reported), of(|m| m.send_lag), of(|m| m.server), of(|m| m.loopback), of(Medians::error)];
            let cells = parts.map(|us| format!("{us:.1}"));
            report.row(&[&[format!("{rate}/s"), client.name().to_owned()], cells.as_slice()].concat());
            if client.name() == KERNEL {
                let what = format!("{rate}/s, {KERNEL}, error");
                report.check(Check { what, unit: "us", reported: of(Medians::error), expected: 0.0, bound: BOUND });
            }
        }
    }
    Ok(())
}

fn clients() -> Vec<Client> {
    let ours = [
        Client::Ours(KERNEL, &["--timestamps", "kernel"]),
        Client::Ours("ours, --timestamps user", &["--timestamps", "user"]),
    ];
    let others = Peer::all().into_iter().filter(|peer| matches!(peer.kind, Kind::Wrk2 | Kind::Oha));
    ours.into_iter().chain(others.map(Client::Other)).collect()
}

impl Medians {
    /// What the reported median contains beyond the parts that are known.
    fn error(&self) -> f64 {
        self.reported - self.send_lag - self.server - self.loopback
    }
}

impl Client {
    fn name(&self) -> &str {
        match self {
            Client::Ours(name, _) => name,
            Client::Other(peer) => peer.name,
        }
    }

    fn run(&self, bench: &Bench, rate: u32, seconds: u64, loopback: f64) -> io::Result<Medians> {
        bench.server.begin(Behaviour::default());
        let url = bench.server.url();
        let (reported, send_lag) = match self {
            Client::Ours(_, args) => {
                let args = args.iter().map(|arg| (*arg).to_owned()).collect();
                let load = Load { rate: rate.into(), seconds, connections: CONNECTIONS, args };
                let reported = load.run(&url)?;
                (reported.response.get("p50") * 1e3, reported.send_lag)
            }
            // It does not say when it sent, so its error contains the send lag.
            Client::Other(peer) => {
                let text = run_peer(peer.paced(&url, CONNECTIONS, &format!("-R{rate}"), Duration::from_secs(seconds)))?;
                (peer.median(&text).map_or(f64::NAN, us), 0.0)
            }
        };
        Ok(Medians { reported, send_lag, server: loopback::server_median(bench), loopback })
    }
}

fn run_peer(mut command: Command) -> io::Result<String> {
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?} failed: {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn us(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
