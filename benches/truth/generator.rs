//! Runs metawrk's wrk2 and reads what it reports: its JSON and its record of every request.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use metawrk::units::Time;
use serde::Deserialize;
use serde_json::Value;

use crate::figures::Figures;

/// Requests are numbered in the order of the schedule, which is the order in which one thread sends them.
const NUMBERED: &str = "local n = -1
function request() n = n + 1; return wrk.format('GET', '/' .. n) end";

/// A load on one thread.
#[derive(Clone, Debug)]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    pub seconds: u64,
    pub connections: usize,
    /// Further arguments.
    pub args: Vec<String>,
}

/// What a load reported.
pub struct Reported {
    pub response: Figures,
    /// The median of the send lag, in us.
    pub send_lag: f64,
    /// Every request was answered.
    is_complete: bool,
}

/// The record of one request.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Row {
    pub request: usize,
    pub due_ns: u64,
    response_ns: u64,
}

impl Row {
    pub fn response_time(&self) -> Time {
        Time(self.response_ns)
    }
}

impl Load {
    /// Runs the load, and returns what its report says.
    ///
    /// # Errors
    ///
    /// If the program fails.
    pub fn run(&self, url: &str) -> io::Result<Reported> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wrk2"));
        let (c, d, rate) = (self.connections, self.seconds, self.rate);
        command.args(["-t1", &format!("-c{c}"), &format!("-d{d}s"), &format!("-R{rate}")]);
        command.args(["--warmup", "0s", "-T", "30s", "--drain", "30s", "--json", "-"]).args(&self.args).arg(url);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("{command:?} failed: {}", output.status)));
        }
        let json: Value = serde_json::from_slice(&output.stdout)?;
        let us = |key: &str| json["response"][key].as_f64().unwrap_or(f64::NAN);
        let response = ["mean", "p50", "p75", "p90", "p99", "p99_9", "max"].map(|key| us(key) / 1e3);
        let send_lag = json["send_lag_ns"]["p50"].as_f64().unwrap_or(f64::NAN) / 1e3;
        let is_complete = json["account"]["answered"] == json["account"]["scheduled"];
        Ok(Reported { response: Figures::new(response), send_lag, is_complete })
    }

    /// Runs the load with numbered requests. Also returns their records, in the order of the schedule.
    ///
    /// # Errors
    ///
    /// If the program fails, or if a request was not answered.
    pub fn run_recorded(&self, url: &str) -> io::Result<(Reported, Vec<Row>)> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (script, record) = (folder.join("truth.lua"), folder.join("truth.csv"));
        std::fs::write(&script, NUMBERED)?;
        let _ = std::fs::remove_file(&record);
        let mut load = self.clone();
        let paths = ["-s".into(), script.display().to_string(), "--record".into(), record.display().to_string()];
        load.args.extend(paths);
        let reported = load.run(url)?;
        if !reported.is_complete {
            return Err(io::Error::other(format!("not every request of {load:?} was answered")));
        }
        let mut rows = csv::Reader::from_path(&record)?.deserialize().collect::<Result<Vec<Row>, _>>()?;
        rows.sort_by_key(|row| row.request);
        Ok((reported, rows))
    }
}
