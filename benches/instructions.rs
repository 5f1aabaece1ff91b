//! Instructions that a request takes in user space, counted by valgrind, so that a change that costs shows on a noisy
//! machine too:
//!
//!     cargo bench --bench instructions                 counts
//!     cargo bench --bench instructions -- --check      fails where more than a tenth was added to instructions.txt
//!     cargo bench --bench instructions -- --record     writes what was counted to instructions.txt
//!
//! Counted are two runs of the real program of different length, against a server outside of valgrind; their difference
//! knows no start and no end.

use std::fs;
use std::io;
use std::process::{Command, ExitCode};

#[path = "versus/server.rs"]
#[allow(dead_code)] // it has more than is needed here
mod server;

use server::Server;

/// What is run, by name: arguments besides rate, time and URL.
const CASES: [(&str, &[&str]); 4] = [
    ("get", &["-c50"]),
    ("get, recorded", &["-c50", "--record", RECORD]),
    ("get, exponential gaps", &["-c50", "-D", "exp"]),
    ("compose-post", &["-c50", "-s", "compose-post"]),
];

/// Few enough a second for a program that is slowed down fifty times.
const RATE: u64 = 400;
const SECONDS: [u64; 2] = [1, 4];
/// Two that are due while a slow program is woken go together, and cost less than two: the least of several runs is
/// what repeats.
const RUNS: usize = 3;
const RECORD: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/instructions.parquet");
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

fn main() -> io::Result<ExitCode> {
    let (check, record) = (asked("--check"), asked("--record"));
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("there is no valgrind to count with: install it (apt-get install valgrind)");
        return Ok(if check { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let server = Server::start(None)?;
    let before = fs::read_to_string(BASELINE).unwrap_or_default();
    let (mut fine, mut text) = (true, String::new());
    for (name, args) in CASES {
        let counted = per_request(&server, args)?;
        let then = before.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        let growth = then.map(|then| 100.0 * (counted / then - 1.0));
        let told = growth.map_or("no figure before".to_owned(), |growth| format!("{growth:+.1} %"));
        println!("{name:<24} {counted:>8.0} instructions a request   {told}");
        text += &format!("{name:<24} {counted:.0}\n");
        fine &= growth.is_some_and(|growth| growth <= 10.0);
    }
    if record {
        fs::write(BASELINE, text)?;
    }
    if check && !fine {
        eprintln!("a request takes more than it did: find out why, or accept it with --record");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn asked(what: &str) -> bool {
    std::env::args().any(|arg| arg == what)
}

fn per_request(server: &Server, args: &[&str]) -> io::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        least = least.min(difference(server, args)?);
    }
    Ok(least)
}

fn difference(server: &Server, args: &[&str]) -> io::Result<f64> {
    let [short, long] = SECONDS.map(|seconds| counted(server, args, seconds));
    let ((short, few), (long, many)) = (short?, long?);
    Ok((long - short) / (many - few))
}

/// Instructions of a run, and its requests.
fn counted(server: &Server, args: &[&str], seconds: u64) -> io::Result<(f64, f64)> {
    server.asked();
    // It would be set aside, and kept.
    let _ = fs::remove_file(RECORD);
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_wrk2")])
        .args(["-t1", "--spin=never", &format!("-R{RATE}"), &format!("-d{seconds}s")])
        .args(args)
        .arg(&server.url)
        .output()?;
    let told = String::from_utf8_lossy(&ran.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match collected {
        Some(instructions) if ran.status.success() => Ok((instructions, server.asked().len() as f64)),
        _ => Err(io::Error::other(format!("valgrind: {}\n{told}", ran.status))),
    }
}
