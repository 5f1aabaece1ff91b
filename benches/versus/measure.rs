//! Running the programs in turn, and the tables of what was measured.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::peers::Peer;
use crate::server::Server;

/// The server, the programs, and how often and how long each one runs.
pub struct Bench {
    pub server: Server,
    pub peers: Vec<Peer>,
    pub rounds: u64,
    pub seconds: u64,
}

impl Bench {
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Measures each of `peers` once a round.
    pub fn measure(
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
pub struct Series(pub BTreeMap<&'static str, Vec<f64>>);

impl Series {
    /// Prints a line for each program, in the order of `peers`, with its ratio to `to`.
    pub fn show(&self, title: &str, peers: &[&Peer], to: &str) {
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

/// Runs a program to its end. Returns its output.
pub fn run(mut command: Command) -> io::Result<String> {
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
pub fn children_cpu() -> io::Result<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    let seconds = |place: usize| fields[place - 3] / rustix::param::clock_ticks_per_second() as f64;
    Ok((seconds(16), seconds(17)))
}

pub fn us(duration: Duration) -> f64 {
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
