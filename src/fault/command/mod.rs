//! `command`: a fault that the user's own commands apply and undo, on anything that a shell can reach.

pub mod target;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use self::target::{CommandTarget, short_name};
use super::kept::{Inspected, KeptSpec, Machine, Snapshot, Target};
use super::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};

/// The commands, for `sh -c`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandFault {
    pub apply: String,
    /// It may run more than once, and when nothing is to be undone.
    pub undo: String,
    /// Succeeds while the fault is on, and fails once it is undone. Without it, the exit codes of the others count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
}

/// What undoing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSnapshot {
    #[serde(flatten)]
    commands: CommandFault,
    /// Where the commands run: the working directory of the run.
    folder: PathBuf,
}

/// A command that takes longer is killed, and has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a command does may take this long to show.
const VERIFY_WITHIN: Duration = Duration::from_secs(10);
const VERIFY_EVERY: Duration = Duration::from_millis(200);

impl Spec for CommandFault {
    fn example() -> &'static str {
        "kind = \"command\"\napply = \"tc qdisc add dev eth1 root netem delay 200ms\"\nundo = \"tc qdisc del dev eth1 root\"\n\
         verify = \"tc qdisc show dev eth1 | grep -q netem\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Command(self.apply.clone())
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        let all = [("apply", Some(&self.apply)), ("undo", Some(&self.undo)), ("verify", self.verify.as_ref())];
        for (key, command) in all {
            if command.is_some_and(|command| command.trim().is_empty() || command.contains('\0')) {
                return Err(InvalidKey::new(key, "must be a command for sh"));
            }
        }
        Ok(())
    }
}

impl KeptSpec for CommandFault {
    type Target = CommandTarget;
    type Snapshot = CommandSnapshot;

    async fn find(&self, _machine: &Machine, _previous: Option<&CommandSnapshot>) -> Result<CommandTarget, FaultError> {
        Ok(CommandTarget { command: self.apply.clone() })
    }

    async fn snapshot(
        &self,
        target: &CommandTarget,
        previous: Option<&CommandSnapshot>,
    ) -> Result<CommandSnapshot, FaultError> {
        let folder = match previous {
            Some(previous) => previous.folder.clone(),
            None => std::env::current_dir().map_err(target.target().untouched("prepare"))?,
        };
        let snapshot = CommandSnapshot { commands: self.clone(), folder };
        if let Some(verify) = &self.verify
            && previous.is_none()
            && snapshot.run(verify).await.is_ok()
        {
            let why = "its `verify` command succeeds already, before the fault is applied";
            return Err(target.target().untouched("prepare")(why));
        }
        Ok(snapshot)
    }
}

impl Inspected for CommandTarget {
    fn target(&self) -> Target {
        Target::Command(self.clone())
    }
}

impl Snapshot for CommandSnapshot {
    fn target(&self) -> Target {
        Target::Command(CommandTarget { command: self.commands.apply.clone() })
    }

    fn fault(&self, _machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(self.clone()))
    }
}

impl CommandSnapshot {
    /// Runs a command to its end.
    async fn run(&self, command: &str) -> Result<(), String> {
        let child = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal of the run must not end it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let child = child.map_err(|error| format!("sh could not be started: {error}"))?;
        let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = ended.map_err(|_| format!("`{command}` did not end within {} s", PATIENCE.as_secs()))?;
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let said = text.trim().lines().last().map(|line| format!(": {}", short_name(line))).unwrap_or_default();
        Err(format!("`{command}` failed ({}){said}", output.status))
    }

    /// Waits until the verify command succeeds, or fails.
    async fn verify(&self, succeeds: bool) -> Result<StepReport, String> {
        let Some(verify) = &self.commands.verify else {
            return Ok("its command exited with 0; there is no `verify` command".into());
        };
        let deadline = tokio::time::Instant::now() + VERIFY_WITHIN;
        loop {
            let result = self.run(verify).await;
            if result.is_ok() == succeeds {
                return Ok(format!("`{verify}` {}", if succeeds { "succeeds" } else { "fails" }).into());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(result.err().unwrap_or_else(|| format!("`{verify}` still succeeds")));
            }
            tokio::time::sleep(VERIFY_EVERY).await;
        }
    }

    fn failed<E: ToString>(&self, action: &'static str) -> impl Fn(E) -> FaultError + use<E> {
        Snapshot::target(self).failed(action)
    }
}

impl Fault for CommandSnapshot {
    fn kind(&self) -> &str {
        "command"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            self.run(&self.commands.apply).await.map_err(self.failed("run"))?;
            Ok("it exited with 0".into())
        })
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async { self.verify(true).await.map_err(self.failed("verify the effect of")) })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            self.run(&self.commands.undo).await.map_err(self.failed("undo"))?;
            Ok("its undo command exited with 0".into())
        })
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async { self.verify(false).await.map_err(self.failed("verify the undoing of")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(apply: &str, undo: &str, verify: Option<&str>) -> CommandFault {
        CommandFault { apply: apply.into(), undo: undo.into(), verify: verify.map(str::to_owned) }
    }

    async fn fault_in(folder: &std::path::Path, spec: CommandFault) -> Box<dyn Fault> {
        let snapshot = CommandSnapshot { commands: spec, folder: folder.to_owned() };
        snapshot.fault(&Machine::default()).unwrap()
    }

    #[tokio::test]
    async fn commands_apply_verify_and_undo() {
        let dir = tempfile::tempdir().unwrap();
        let mut fault = fault_in(dir.path(), commands("touch on", "rm -f on", Some("test -e on"))).await;
        fault.apply().await.unwrap();
        assert!(dir.path().join("on").exists());
        assert_eq!(fault.verify_applied().await.unwrap().text, "`test -e on` succeeds");
        fault.remove().await.unwrap();
        assert_eq!(fault.verify_removed().await.unwrap().text, "`test -e on` fails");
        // Undoing what was undone is fine.
        fault.remove().await.unwrap();
    }

    #[tokio::test]
    async fn a_command_that_fails_says_what_it_printed() {
        let dir = tempfile::tempdir().unwrap();
        let mut fault = fault_in(dir.path(), commands("echo no such device >&2; exit 3", "false", None)).await;
        let error = fault.apply().await.unwrap_err().to_string();
        assert!(error.contains("failed (exit status: 3): no such device"), "{error}");
        assert!(fault.remove().await.unwrap_err().to_string().contains("metawrk restore"));
    }

    #[tokio::test]
    async fn a_fault_that_is_on_already_is_refused() {
        let spec = commands("true", "true", Some("true"));
        let target = spec.find(&Machine::default(), None).await.unwrap();
        let error = spec.snapshot(&target, None).await.unwrap_err().to_string();
        assert!(error.contains("`verify` command succeeds already"), "{error}");
    }
}
