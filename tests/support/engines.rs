//! Three Docker engines on this machine that form a swarm, and a Slurm cluster of three nodes. Both have networks of their
//! own, and end with the test. Where they cannot run, tests print a notice and pass; if METAWRK_NEEDS_DOCKER is set, they
//! fail.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::program::{Ended, METAWRK, Started, started};

/// A script that makes machines, prints a line when they are ready, and removes them when its standard input ends.
struct Script {
    child: Child,
    /// The words of the line after `ready`.
    ready: Vec<String>,
}

impl Script {
    /// `None` if this machine lacks one of the programs `needs`, or the test has no right to make networks.
    fn start(name: &str, needs: &[&str]) -> Option<Script> {
        let is_missing = |program: &&&str| {
            let paths = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
            !paths.split(':').any(|folder| Path::new(folder).join(program).exists())
        };
        let missing: Vec<_> = needs.iter().filter(is_missing).collect();
        let is_root = rustix::process::geteuid().is_root();
        if !is_root || !missing.is_empty() {
            let why = if is_root { format!("needs {missing:?}") } else { "needs root".to_owned() };
            assert!(std::env::var_os("METAWRK_NEEDS_DOCKER").is_none(), "{why}");
            // The test harness captures `eprintln!` of a passing test, but not this.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED, not tested: {name} {why}\n");
            return None;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name);
        let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        assert!(line.starts_with("ready "), "{name} did not get ready: {line}");
        Some(Script { child, ready })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Three engines that form a swarm. Each has the image of this program.
pub struct Engines(Script);

impl Engines {
    pub fn start() -> Option<Engines> {
        let script = Script::start("three_engines.sh", &["dockerd", "docker", "ip", "nsenter", "unshare"])?;
        let engines = Engines(script);
        for node in 1..=3 {
            let ended = engines.run(node, &["image"]);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        Some(engines)
    }

    /// The address of this machine in the network of the engines.
    pub fn host(&self) -> String {
        format!("{}.1", self.0.ready[1])
    }

    /// The address of a node, counted from 1.
    pub fn address(&self, node: usize) -> String {
        format!("{}.1{node}", self.0.ready[1])
    }

    fn dir(&self) -> PathBuf {
        PathBuf::from(&self.0.ready[0])
    }

    fn pid(&self, node: usize) -> String {
        std::fs::read_to_string(self.dir().join(format!("node{node}.pid"))).unwrap().trim().to_owned()
    }

    /// Starts metawrk on a node, as its user does.
    pub fn start_on(&self, node: usize, dir: &Path, args: &[&str]) -> Started {
        let pid = self.pid(node);
        let docker_host = format!("DOCKER_HOST=unix://{}/node{node}.sock", self.dir().display());
        // Both programs before it replace themselves by the next one, so signals reach metawrk.
        let enter = ["--target", &pid, "--net", "--uts", "env", &docker_host, METAWRK];
        started("nsenter", dir, &[&enter, args].concat())
    }

    pub fn run(&self, node: usize, args: &[&str]) -> Ended {
        self.start_on(node, Path::new("."), args).end()
    }

    /// The output of the docker client for the engine of a node.
    pub fn docker(&self, node: usize, args: &[&str]) -> String {
        let host = format!("unix://{}/node{node}.sock", self.dir().display());
        let output = Command::new("docker").args(["--host", &host]).args(args).output().unwrap();
        assert!(output.status.success(), "docker {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Cuts a node off from all others, or connects it again.
    pub fn plug(&self, node: usize, state: &str) {
        let enter = ["--target", &self.0.ready[2], "--net", "ip", "link", "set"];
        let port = format!("port{node}");
        assert!(Command::new("nsenter").args(enter).args([&port, state]).status().unwrap().success());
    }
}

/// A Slurm cluster of the nodes n1 to n3.
pub struct Slurm(Script);

impl Slurm {
    pub fn start() -> Option<Slurm> {
        let needs = ["slurmctld", "slurmd", "srun", "munged", "ip", "nsenter", "unshare"];
        Some(Slurm(Script::start("three_slurmds.sh", &needs)?))
    }

    /// The address of this machine in the network of the cluster.
    pub fn host(&self) -> String {
        format!("{}.1", self.0.ready[1])
    }

    /// The address of the cluster.
    pub fn address(&self) -> String {
        format!("{}.2", self.0.ready[1])
    }

    /// Starts a program of Slurm in the cluster, with these variables in its environment.
    pub fn start_in(&self, dir: &Path, environment: &[&str], args: &[&str]) -> Started {
        let [slurm, _, pid] = &self.0.ready[..] else { panic!("{:?}", self.0.ready) };
        let configuration = format!("SLURM_CONF={slurm}/slurm.conf");
        let enter = ["--target", pid, "--net", "--uts", "env", &configuration];
        started("nsenter", dir, &[&enter, environment, args].concat())
    }
}
