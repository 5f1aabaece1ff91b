//! Instructions per request in user space, counted by valgrind. A regression shows on a noisy machine too:
//!
//!     cargo bench --bench instructions                 counts
//!     cargo bench --bench instructions -- --check      fails if a count is more than a tenth above instructions.txt
//!     cargo bench --bench instructions -- --record     writes the counts to instructions.txt
//!
//! instructions.txt has the counts of a build without optimization across crates, as `.ci/run` makes it. With it there are
//! fewer.
//!
//! It runs the real program twice, for different durations, against a server outside of valgrind. The difference of both
//! counts does not contain the start and the end of the program.

use std::fs;
use std::io;
use std::process::{Command, ExitCode};

#[path = "versus/server.rs"]
#[allow(dead_code)] // this bench uses a part of it
mod server;

use server::Server;

/// Name and arguments of each case. Rate, duration and URL are added.
const CASES: [(&str, &[&str]); 4] = [
    ("get", &["-c50"]),
    ("get, recorded", &["-c50", "--record", RECORD]),
    ("get, exponential gaps", &["-c50", "-D", "exp"]),
    ("compose-post", &["-c50", "-s", "compose-post"]),
];

/// Requests per second: few enough for a program that valgrind slows down fifty times.
const RATE: u64 = 400;
const SECONDS: [u64; 2] = [1, 4];
/// Two requests that are due within one wake-up cost less than two with a wake-up each. The minimum of several runs is
/// reproducible.
const RUNS: usize = 3;
const RECORD: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/instructions.parquet");
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

fn main() -> io::Result<ExitCode> {
    let (check, record) = (has_flag("--check"), has_flag("--record"));
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("cannot count instructions: valgrind is not installed. Install it (apt-get install valgrind)");
        return Ok(if check { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let server = Server::start(None)?;
    let before = fs::read_to_string(BASELINE).unwrap_or_default();
    let (mut is_within_limit, mut text) = (true, String::new());
    for (name, args) in CASES {
        let count = per_request(&server, args)?;
        let baseline = before.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        let growth = baseline.map(|baseline| 100.0 * (count / baseline - 1.0));
        let change = growth.map_or("no baseline".to_owned(), |growth| format!("{growth:+.1} %"));
        println!("{name:<24} {count:>8.0} instructions per request   {change}");
        text += &format!("{name:<24} {count:.0}\n");
        is_within_limit &= growth.is_some_and(|growth| growth <= 10.0);
    }
    if record {
        fs::write(BASELINE, text)?;
    }
    if check && !is_within_limit {
        eprintln!(
            "a request takes more instructions than before. Find the cause, or accept the new counts with --record"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn has_flag(flag: &str) -> bool {
    std::env::args().any(|arg| arg == flag)
}

fn per_request(server: &Server, args: &[&str]) -> io::Result<f64> {
    let mut minimum = f64::INFINITY;
    for _ in 0..RUNS {
        minimum = minimum.min(difference(server, args)?);
    }
    Ok(minimum)
}

fn difference(server: &Server, args: &[&str]) -> io::Result<f64> {
    let [short, long] = SECONDS.map(|seconds| run_counted(server, args, seconds));
    let ((short, few), (long, many)) = (short?, long?);
    Ok((long - short) / (many - few))
}

/// Runs the program under valgrind. Returns its instructions and its requests.
fn run_counted(server: &Server, args: &[&str], seconds: u64) -> io::Result<(f64, f64)> {
    server.take_requests();
    // Otherwise the program would keep it under another name.
    let _ = fs::remove_file(RECORD);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_wrk2")])
        .args(["-t1", "--spin=never", &format!("-R{RATE}"), &format!("-d{seconds}s")])
        .args(args)
        .arg(&server.url)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok((instructions, server.take_requests().len() as f64)),
        _ => Err(io::Error::other(format!("valgrind failed: {}\n{text}", output.status))),
    }
}
