//! `freeze`: a process is stopped (SIGSTOP), and goes on (SIGCONT) when the fault is removed. The kernel accepts
//! connections for it, and nothing answers them. Its child processes go on.

use rustix::process::{Signal, test_kill_process};
use serde::{Deserialize, Serialize};

use super::name::ProcessName;
use super::target::ProcessTarget;
use crate::fault::kept::{Inspected, KeptSpec, Machine, Snapshot, Target};
use crate::fault::{Fault, FaultError, Spec, StepFuture, TargetName};

/// A stopped process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FreezeKeys", into = "FreezeKeys")]
pub struct Freeze {
    pub process: ProcessName,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeKeys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    component: Option<String>,
}

/// The state before it: it was not stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreezeSnapshot {
    process: ProcessTarget,
}

impl TryFrom<FreezeKeys> for Freeze {
    type Error = String;

    fn try_from(FreezeKeys { pid, process, component }: FreezeKeys) -> Result<Freeze, String> {
        let process = ProcessName::from_keys(pid, process, component)?;
        let process = process.ok_or("a freeze fault needs one of the keys `pid`, `process` and `component`")?;
        Ok(Freeze { process })
    }
}

impl From<Freeze> for FreezeKeys {
    fn from(freeze: Freeze) -> FreezeKeys {
        let (pid, process, component) = freeze.process.into_keys();
        FreezeKeys { pid, process, component }
    }
}

impl Spec for Freeze {
    fn example() -> &'static str {
        "kind = \"freeze\"\nprocess = \"nginx\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Process(self.process.clone())
    }
}

impl KeptSpec for Freeze {
    type Target = ProcessTarget;
    type Snapshot = FreezeSnapshot;

    fn resolve_components(&mut self, pid_of: &dyn Fn(&str) -> Option<u32>) {
        self.process.resolve(pid_of);
    }

    async fn find(&self, _machine: &Machine, previous: Option<&FreezeSnapshot>) -> Result<ProcessTarget, FaultError> {
        previous.map_or_else(|| self.process.find(), |snapshot| Ok(snapshot.process.clone()))
    }

    async fn snapshot(
        &self,
        process: &ProcessTarget,
        _previous: Option<&FreezeSnapshot>,
    ) -> Result<FreezeSnapshot, FaultError> {
        let refused =
            |why: &str, remedy: &'static str| Err(FaultError::new("freeze", process.to_string(), remedy)(why));
        if !process.is_alive() {
            return refused("it has ended", "Start the system under test again.");
        }
        if process.thread_states().contains(&'T') {
            return refused("it is stopped already", "Let it go on first: `kill -CONT PID`.");
        }
        let pid = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw);
        if pid.is_none_or(|pid| test_kill_process(pid).is_err()) {
            return refused("this user may not signal it", "Run metawrk as the user of that process, or as root.");
        }
        Ok(FreezeSnapshot { process: process.clone() })
    }
}

impl Inspected for ProcessTarget {
    fn target(&self) -> Target {
        Target::Process(self.clone())
    }
}

impl Snapshot for FreezeSnapshot {
    fn target(&self) -> Target {
        Target::Process(self.process.clone())
    }

    fn fault(&self, _machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(FreezeFault { process: self.process.clone() }))
    }
}

struct FreezeFault {
    process: ProcessTarget,
}

impl FreezeFault {
    fn failed<E: ToString>(&self, action: &'static str) -> impl Fn(E) -> FaultError {
        Target::Process(self.process.clone()).failed(action)
    }

    /// The states of its threads, and whether they are what they should be.
    fn verify(&self, is_so: impl Fn(&[char]) -> bool) -> Result<usize, String> {
        if !self.process.is_alive() {
            return Err("it has ended".to_owned());
        }
        let states = self.process.thread_states();
        match is_so(&states) {
            true => Ok(states.len()),
            false => Err(format!("its threads are in the states {}", states.iter().collect::<String>())),
        }
    }
}

impl Fault for FreezeFault {
    fn kind(&self) -> &str {
        "freeze"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        let done = self.process.signal(Signal::STOP).map_err(self.failed("stop"));
        Box::pin(async { done.map(|()| "SIGSTOP sent".into()) })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let stopped = |states: &[char]| !states.is_empty() && states.iter().all(|state| *state == 'T');
            let verified = verify_soon(|| self.verify(stopped)).await;
            let threads = verified.map_err(self.failed("verify the freeze of"))?;
            Ok(format!("each of its threads ({threads}) is stopped").into())
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        let done = self.process.signal(Signal::CONT).map_err(self.failed("continue"));
        Box::pin(async { done.map(|()| "SIGCONT sent".into()) })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let goes_on = |states: &[char]| !states.contains(&'T');
            let verified = verify_soon(|| self.verify(goes_on)).await;
            verified.map_err(self.failed("verify the return of"))?;
            Ok("none of its threads is stopped".into())
        })
    }
}

/// Threads that are in the kernel stop when they leave it: verifies for a second.
async fn verify_soon<T>(verify: impl Fn() -> Result<T, String>) -> Result<T, String> {
    for _ in 0..100 {
        if let Ok(verified) = verify() {
            return Ok(verified);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    verify()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_stopped_and_goes_on() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let spec = Freeze { process: ProcessName::Pid(child.id()) };
        let machine = Machine::default();
        let process = spec.find(&machine, None).await.unwrap();
        let snapshot = spec.snapshot(&process, None).await.unwrap();
        let mut fault = snapshot.fault(&machine).unwrap();
        fault.apply().await.unwrap();
        assert_eq!(fault.verify_applied().await.unwrap().text, "each of its threads (1) is stopped");
        let error = spec.snapshot(&process, None).await.unwrap_err();
        assert_eq!(error.why, "it is stopped already");
        fault.remove().await.unwrap();
        fault.verify_removed().await.unwrap();
        // Undoing what was undone is fine.
        fault.remove().await.unwrap();
        fault.verify_removed().await.unwrap();
        assert!(fault.verify_applied().await.is_err());
        child.kill().unwrap();
        child.wait().unwrap();
        let error = fault.remove().await.unwrap_err();
        assert_eq!(error.why, "it has ended");
    }

    #[test]
    fn one_process_must_be_named() {
        let error = |text: &str| toml::from_str::<Freeze>(text).unwrap_err().message().to_owned();
        assert!(error("").contains("needs one of the keys"), "{}", error(""));
        let two = error("pid = 1\nprocess = 'nginx'");
        assert!(two.contains("exclude each other"), "{two}");
    }
}
