//! Campaigns in a folder of their own, a system with two states to run them on, and what is left when they are killed.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::program::{Ended, Started, eventually, is_alive, started};
use super::state::{journals, with_own_state};
use super::{OK, Server};

const BROKEN: &[u8] = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";

/// A server with two states at 100 requests/s. More than 220 requests within a second break it, and it answers with
/// status 500 until no request came for a second.
pub fn bistable_server() -> Server {
    struct State {
        recent: VecDeque<Instant>,
        is_broken: bool,
    }
    let state = Mutex::new(State { recent: VecDeque::new(), is_broken: false });
    let answer = move || {
        let mut state = state.lock().unwrap();
        let now = Instant::now();
        while state.recent.front().is_some_and(|at| now - *at > Duration::from_secs(1)) {
            state.recent.pop_front();
        }
        state.is_broken = !state.recent.is_empty() && (state.is_broken || state.recent.len() > 220);
        state.recent.push_back(now);
        if state.is_broken { BROKEN } else { OK }
    };
    Server::start(move |mut peer| while peer.request().is_some() && peer.send(answer()) {})
}

/// A process that a fault freezes. It ends with this.
pub struct Frozen(Child);

impl Frozen {
    pub fn new() -> Frozen {
        Frozen(Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn assert_runs(&self) {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        assert!(!stat.contains(") T "), "still frozen: {stat}");
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An experiment at 100 requests/s on a [`bistable_server`]: doubling the load twice leaves it broken. Meanwhile a process
/// is frozen.
pub fn experiment(server: &Server, frozen: &Frozen) -> String {
    format!(
        "name = 't'\n[target]\nurl = '{}'\n[load]\nrate = 100\nwhen-busy = 'open'\n\
         [phases]\nwarmup = '0s'\nbaseline = '5s'\n[[fault]]\nkind = 'surge'\nfactor = 4\nfor = '2s'\n\
         [[fault]]\nkind = 'freeze'\npid = {}\nfor = '2s'\n",
        server.url(),
        frozen.0.id()
    )
}

/// The options of a certificate of [`experiment`], with the shortest phases.
pub const SHORT: [&str; 7] = ["certify", "x.toml", "--dwell", "10s", "--shed", "2s", "--exit-code"];

/// A folder for campaigns, whose processes and journals are only this test's.
pub struct Lab {
    pub dir: tempfile::TempDir,
    program: PathBuf,
}

impl Lab {
    pub fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let program = with_own_state(dir.path());
        Lab { dir, program }
    }

    /// A folder with an experiment in `x.toml`.
    pub fn with(experiment: &str) -> Lab {
        let lab = Lab::new();
        fs::write(lab.dir.path().join("x.toml"), experiment).unwrap();
        lab
    }

    pub fn start(&self, args: &[&str]) -> Started {
        started(self.program.to_str().unwrap(), self.dir.path(), args)
    }

    /// Resumes the campaign.
    pub fn resume(&self) -> Started {
        let campaign = self.campaign().unwrap();
        let file: toml::Table = fs::read_to_string(campaign.join("campaign.toml")).unwrap().parse().unwrap();
        let command = file["command"].as_str().unwrap().split(' ');
        let options = ["--resume", campaign.to_str().unwrap(), "--exit-code"];
        self.start(&command.chain(options).collect::<Vec<_>>())
    }

    /// Waits for the end of a campaign. If the machine was too busy for three runs in a row, it is resumed.
    pub fn end(&self, mut running: Started) -> Ended {
        loop {
            assert!(running.has_ended_within(Duration::from_secs(400)), "the campaign does not end");
            let ended = running.end();
            if ended.code != Some(20) || !ended.out.contains("INVALID: the generator was late") {
                return ended;
            }
            running = self.resume();
        }
    }

    /// The folder of the only campaign, if there is one.
    pub fn campaign(&self) -> Option<PathBuf> {
        let mut all =
            fs::read_dir(self.dir.path().join("results")).into_iter().flatten().map(|entry| entry.unwrap().path());
        let campaign = all.next();
        assert_eq!(all.next(), None);
        campaign
    }

    /// The contents of `cell.json` of each complete run, by its folder.
    pub fn finished(&self) -> BTreeMap<String, String> {
        let cells = self.campaign().map(|campaign| campaign.join("cells"));
        let runs = cells.and_then(|cells| fs::read_dir(cells).ok()).into_iter().flatten().flatten();
        runs.filter_map(|run| {
            let record = fs::read_to_string(run.path().join("cell.json")).ok()?;
            Some((run.file_name().into_string().unwrap(), record))
        })
        .collect()
    }

    /// Kills a campaign, and waits until nothing that it started is left: no process, and no fault that is to be undone.
    pub fn kill(&self, running: Started) {
        running.send(Signal::KILL);
        assert_eq!(running.end().code, None);
        self.wait_until_nothing_is_left();
    }

    pub fn wait_until_nothing_is_left(&self) {
        eventually("the end of all processes of the campaign", || self.processes().is_empty());
        assert_eq!(journals(self.dir.path()), 0, "a fault is left");
    }

    /// The processes that campaigns of this lab started, and those of these.
    fn processes(&self) -> Vec<u32> {
        let mark = format!("XDG_STATE_HOME={}\0", self.dir.path().display());
        let is_ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark) && is_alive(*pid)
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
    }
}

/// The answer of the campaign in a folder.
pub fn read_answer(campaign: &Path) -> Value {
    serde_json::from_slice(&fs::read(campaign.join("campaign.json")).unwrap()).unwrap()
}

/// The cells of the valid runs in an answer, in their order.
pub fn valid_cells(answer: &Value) -> Vec<(f64, f64, u64)> {
    let valid = answer["runs"].as_array().unwrap().iter().filter(|run| run["valid"] == true);
    let cell = |run: &Value| Some((run["rate"].as_f64()?, run["outage_s"].as_f64()?, run["seed"].as_u64()?));
    valid.map(|run| cell(run).unwrap()).collect()
}
