//! `stress-cpu`: processes that only compute keep the CPUs of a container or a process busy. They compete for its CPU
//! time: in the cgroup of a container, or on the CPUs and at the priority of a process.
//!
//! The busy processes are children of the keeper, and end with it. Nothing of the target itself is changed.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

use rustix::fs::Access;
use rustix::process::{Pid, Signal, set_parent_process_death_signal, setpriority_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::container::Container;
use super::container::target::ContainerTarget;
use super::kept::{Inspected, KeptSpec, Machine, Snapshot, Target};
use super::process::name::ProcessName;
use super::process::target::ProcessTarget;
use super::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::procfs;

/// A container or process whose CPUs are busy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StressCpuKeys", into = "StressCpuKeys")]
pub struct StressCpu {
    /// Busy processes.
    pub cpus: u32,
    pub target: StressTarget,
}

/// What a plan may name for it.
#[derive(Clone, Debug, PartialEq)]
pub enum StressTarget {
    /// By name, compose service or id.
    Container(String),
    Process(ProcessName),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StressCpuKeys {
    cpus: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    component: Option<String>,
}

/// The state before it: no busy process has this token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StressCpuSnapshot {
    target: Target,
    /// It ran before the fault, and so must run after it.
    ran: bool,
    /// An argument of the busy processes, by which they are found after the keeper's death.
    token: String,
    cpus: u32,
    place: BusyPlace,
}

/// Where busy processes compete with the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BusyPlace {
    /// In these cgroups: of version 2 there is one, of version 1 one for each controller.
    Cgroups(Vec<PathBuf>),
    /// On these CPUs, at this nice level.
    Cpus { cpus: Vec<usize>, nice: i32 },
}

const CPUS: RangeInclusive<u32> = 1..=1024;
/// How long busy processes may take until they have used half of the CPU time asked for.
const PATIENCE: Duration = Duration::from_secs(1);
/// After this, busy processes that get less CPU time need only be runnable.
const PATIENCE_WITH_CONTENTION: Duration = Duration::from_millis(300);
/// Between two measurements.
const PAUSE: Duration = Duration::from_millis(50);

impl TryFrom<StressCpuKeys> for StressCpu {
    type Error = String;

    fn try_from(keys: StressCpuKeys) -> Result<StressCpu, String> {
        let StressCpuKeys { cpus, container, pid, process, component } = keys;
        let process = ProcessName::from_keys(pid, process, component)?;
        let target = match (container, process) {
            (Some(container), None) => StressTarget::Container(container),
            (None, Some(process)) => StressTarget::Process(process),
            (Some(_), Some(_)) => return Err("`container` excludes `pid`, `process` and `component`".to_owned()),
            (None, None) => {
                return Err(
                    "a stress-cpu fault needs one of the keys `container`, `pid`, `process` and `component`".to_owned()
                );
            }
        };
        Ok(StressCpu { cpus, target })
    }
}

impl From<StressCpu> for StressCpuKeys {
    fn from(StressCpu { cpus, target }: StressCpu) -> StressCpuKeys {
        let keys = StressCpuKeys { cpus, container: None, pid: None, process: None, component: None };
        match target {
            StressTarget::Container(container) => StressCpuKeys { container: Some(container), ..keys },
            StressTarget::Process(name) => {
                let (pid, process, component) = name.into_keys();
                StressCpuKeys { pid, process, component, ..keys }
            }
        }
    }
}

impl Spec for StressCpu {
    fn example() -> &'static str {
        "kind = \"stress-cpu\"\ncontainer = \"db\"\ncpus = 2\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        match &self.target {
            StressTarget::Container(container) => TargetName::Container(container.clone()),
            StressTarget::Process(process) => TargetName::Process(process.clone()),
        }
    }

    fn size(&self) -> Option<String> {
        Some(format!("with {}", in_words(self.cpus)))
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        match CPUS.contains(&self.cpus) {
            true => Ok(()),
            false => Err(InvalidKey::new("cpus", format!("must be between {} and {}", CPUS.start(), CPUS.end()))),
        }
    }
}

/// A target as found.
pub enum FoundTarget {
    Container(Box<Container>),
    Process(ProcessTarget),
}

impl Inspected for FoundTarget {
    fn target(&self) -> Target {
        match self {
            FoundTarget::Container(container) => container.target(),
            FoundTarget::Process(process) => process.target(),
        }
    }
}

impl KeptSpec for StressCpu {
    type Target = FoundTarget;
    type Snapshot = StressCpuSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        match &mut self.target {
            StressTarget::Container(container) => Some(container),
            StressTarget::Process(_) => None,
        }
    }

    fn resolve_components(&mut self, pid_of: &dyn Fn(&str) -> Option<u32>) {
        if let StressTarget::Process(process) = &mut self.target {
            process.resolve(pid_of);
        }
    }

    async fn find(&self, machine: &Machine, previous: Option<&StressCpuSnapshot>) -> Result<FoundTarget, FaultError> {
        let previous = previous.map(|snapshot| &snapshot.target);
        match (&self.target, previous) {
            (StressTarget::Container(name), previous) => {
                let previous = previous.and_then(|target| match target {
                    Target::Container(container) => Some(container),
                    Target::Process(_) | Target::Command(_) => None,
                });
                Container::find(machine, name, previous)
                    .await
                    .map(|container| FoundTarget::Container(Box::new(container)))
            }
            (StressTarget::Process(_), Some(Target::Process(process))) => Ok(FoundTarget::Process(process.clone())),
            (StressTarget::Process(name), _) => name.find().map(FoundTarget::Process),
        }
    }

    async fn snapshot(
        &self,
        found: &FoundTarget,
        previous: Option<&StressCpuSnapshot>,
    ) -> Result<StressCpuSnapshot, FaultError> {
        let place = match found {
            FoundTarget::Container(container) => {
                ContainerTarget::running(&container.details, "stress")?;
                cgroups(container)
            }
            FoundTarget::Process(process) => cpus_of(process),
        };
        let target = found.target();
        let refused =
            |(why, remedy): (String, &'static str)| FaultError::new("stress", target.to_string(), remedy)(why);
        let place = place.map_err(refused)?;
        let token = previous.map_or_else(new_token, |snapshot| snapshot.token.clone());
        Ok(StressCpuSnapshot { target, ran: true, token, cpus: self.cpus, place })
    }
}

/// The cgroups of a container, which this process may add processes to; else why not, and what to do.
fn cgroups(container: &Container) -> Result<BusyPlace, (String, &'static str)> {
    let Container { engine, details } = container;
    let Some(cpu) = engine.cgroup(details, "cpu") else {
        let why = "its cgroup cannot be found on this machine".to_owned();
        return Err((why, "Run metawrk on the machine of the Docker engine."));
    };
    let mut folders = vec![cpu.folder];
    if !cpu.unified {
        folders
            .extend(engine.cgroup(details, "cpuset").map(|cgroup| cgroup.folder).filter(|other| *other != folders[0]));
    }
    for folder in &folders {
        let procs = folder.join(PROCS);
        if let Err(error) = rustix::fs::access(&procs, Access::WRITE_OK) {
            let why = format!("no process can be added to its cgroup: {error} ({})", procs.display());
            return Err((why, "Run metawrk as root."));
        }
    }
    Ok(BusyPlace::Cgroups(folders))
}

/// A cgroup's list of processes: what is written to it joins.
const PROCS: &str = "cgroup.procs";

/// The CPUs and the nice level of a process.
fn cpus_of(process: &ProcessTarget) -> Result<BusyPlace, (String, &'static str)> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
    let (status, stat) = (read("status"), read("stat"));
    match (procfs::allowed_cpus(&status), procfs::nice(&stat), process.is_alive()) {
        (Some(cpus), Some(nice), true) => Ok(BusyPlace::Cpus { cpus, nice }),
        _ => Err(("it has ended".to_owned(), "Start the system under test again.")),
    }
}

/// `1 busy process`
fn in_words(cpus: u32) -> String {
    if cpus == 1 { "1 busy process".to_owned() } else { format!("{cpus} busy processes") }
}

/// No other fault has the same.
fn new_token() -> String {
    format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

impl Snapshot for StressCpuSnapshot {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn ignore_condition(&mut self) {
        self.ran = false;
    }

    fn lateness(&self) -> Duration {
        // No engine takes part in it.
        Duration::ZERO
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(StressCpuFault { machine: machine.clone(), before: self.clone(), busy: Vec::new() }))
    }
}

struct StressCpuFault {
    machine: Machine,
    before: StressCpuSnapshot,
    busy: Vec<Child>,
}

impl StressCpuFault {
    async fn start(&mut self) -> Result<StepReport, FaultError> {
        let StressCpuSnapshot { target, token, cpus, place, .. } = &self.before;
        let failed = target.untouched("start the busy processes of");
        for _ in 0..*cpus {
            // Dropping a child kills it, so none is left where one fails.
            let child = start_busy_process(token, place).await.map_err(&failed);
            match child {
                Ok(child) => self.busy.push(child),
                Err(error) => {
                    self.busy.clear();
                    return Err(error);
                }
            }
        }
        Ok(format!("{} started", in_words(*cpus)).into())
    }

    /// Verifies that they take the CPU time that the target leaves them.
    async fn verify_busy(&self) -> Result<StepReport, FaultError> {
        let failed = self.before.target.failed("verify the busy processes of");
        let pids: Vec<u32> = self.busy.iter().filter_map(Child::id).collect();
        let start = Instant::now();
        let used_before = used_ticks(&pids);
        loop {
            sleep(PAUSE).await;
            if let Some(why) = self.misplaced(&pids) {
                return Err(failed(why));
            }
            let elapsed = start.elapsed().as_secs_f64();
            let ticks = used_ticks(&pids).saturating_sub(used_before);
            let used = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
            let report = format!("{} used {used:.2} s of CPU time in {elapsed:.2} s", in_words(self.before.cpus));
            // The kernel counts in ticks of 10 ms.
            if elapsed >= 0.1 && used >= 0.5 * elapsed * f64::from(self.before.cpus) {
                return Ok(report.into());
            }
            // The target's limit, or other processes, may leave them less.
            if start.elapsed() >= PATIENCE_WITH_CONTENTION && pids.iter().all(|pid| state(*pid) == Some('R')) {
                return Ok(format!("{report}; all are runnable").into());
            }
            if start.elapsed() >= PATIENCE {
                return Err(failed(format!("{report}; not all are runnable")));
            }
        }
    }

    /// Why the busy processes do not compete with the target, if they don't.
    fn misplaced(&self, pids: &[u32]) -> Option<String> {
        let wanted = self.before.cpus as usize;
        let alive = pids.iter().filter(|pid| state(**pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))).count();
        if alive < wanted {
            return Some(format!("only {alive} of {wanted} busy processes run"));
        }
        let BusyPlace::Cgroups(folders) = &self.before.place else { return None };
        folders.iter().find_map(|folder| {
            let procs = fs::read_to_string(folder.join(PROCS)).unwrap_or_default();
            let is_in = |pid: &&u32| procs.lines().any(|line| line == pid.to_string());
            let inside = pids.iter().filter(is_in).count();
            (inside < wanted).then(|| format!("only {inside} of {wanted} are in the cgroup {}", folder.display()))
        })
    }

    async fn stop(&mut self) -> Result<StepReport, FaultError> {
        for child in &mut self.busy {
            // A child that has ended needs no signal.
            let _ = child.kill().await;
        }
        self.busy.clear();
        // Those of a keeper that was killed.
        for process in busy_processes(&self.before.token) {
            match process.signal(Signal::KILL) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.before.target.failed("end the busy processes of")(error));
                }
                _ => {}
            }
        }
        Ok("the busy processes are killed".into())
    }

    async fn verify_gone(&self) -> Result<StepReport, FaultError> {
        let StressCpuSnapshot { target, ran, token, .. } = &self.before;
        let start = Instant::now();
        while !busy_processes(token).is_empty() {
            if start.elapsed() >= PATIENCE {
                return Err(target.failed("end the busy processes of")("they still run"));
            }
            sleep(PAUSE).await;
        }
        if *ran {
            self.check_running().await?;
        }
        Ok("no busy process runs".into())
    }

    async fn check_running(&self) -> Result<(), FaultError> {
        match &self.before.target {
            Target::Container(container) => {
                let now = self.machine.engine()?.inspect(&container.id).await.map_err(container.failed("inspect"))?;
                container.check_running(&now)
            }
            Target::Process(process) => match process.is_alive() {
                true => Ok(()),
                false => Err(self.before.target.failed("verify the return of")("it has ended")),
            },
            // Only a damaged journal has it.
            Target::Command(_) => Ok(()),
        }
    }
}

impl Fault for StressCpuFault {
    fn kind(&self) -> &str {
        "stress-cpu"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.start())
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.verify_busy())
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.stop())
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.verify_gone())
    }
}

/// A busy process, in its place. It ends with this process.
async fn start_busy_process(token: &str, place: &BusyPlace) -> io::Result<Child> {
    // The same program even if its file was replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.args(["stress", token]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn()?;
    let pid = child.id().unwrap_or_default();
    match place {
        BusyPlace::Cgroups(folders) => {
            folders.iter().try_for_each(|folder| fs::write(folder.join(PROCS), pid.to_string()))?;
        }
        BusyPlace::Cpus { cpus, nice } => {
            let mut set = CpuSet::new();
            cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(*cpu));
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            sched_setaffinity(pid, &set)?;
            setpriority_process(pid, *nice)?;
        }
    }
    // It waits for this line, and then for the end of its stdin.
    if let Some(stdin) = &mut child.stdin {
        stdin.write_all(b"go\n").await?;
    }
    Ok(child)
}

/// `metawrk stress`: keeps a CPU busy until stdin ends or the parent dies.
///
/// # Errors
/// Where the system refuses.
pub fn run_busy_process() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before has closed the pipe, too.
    if io::stdin().read_line(&mut String::new())? == 0 {
        return Ok(());
    }
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

/// The busy processes with this token.
fn busy_processes(token: &str) -> Vec<ProcessTarget> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_busy = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = line.split(|byte| *byte == 0).skip(1);
        arguments.next() == Some(b"stress") && arguments.next() == Some(token.as_bytes())
    };
    pids.filter(is_busy).filter_map(ProcessTarget::inspect).collect()
}

fn state(pid: u32) -> Option<char> {
    procfs::state(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The CPU time of these processes so far, in clock ticks.
fn used_ticks(pids: &[u32]) -> u64 {
    let used = |pid: &u32| procfs::cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    pids.iter().filter_map(used).sum()
}

#[cfg(test)]
mod tests;
