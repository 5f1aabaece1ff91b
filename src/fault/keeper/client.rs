//! The run's handle of a keeper.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::messages::{Assignment, AssignmentAnswer, FaultAction, StepAnswer, StepRequest};
use crate::fault::{Fault, FaultError, KeptFault, Machine, StepFuture, StepReport, Target};
use crate::units::Time;

/// A fault whose steps a keeper carries out: a process that removes the fault whatever becomes of this one. Dropping
/// this ends the keeper, after it has removed the fault.
pub struct KeeperClient {
    fault: KeptFault,
    target: Target,
    /// Requests so far.
    requests: u64,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    keeper: Child,
}

/// It includes a probe from a peer on each of a container's networks.
const START: Duration = Duration::from_secs(30);

impl KeeperClient {
    /// Starts a keeper. It finds the target, and checks that the fault can be done to it, for at most `lasting`. Nothing
    /// is changed yet. `program` is the keeper's program; this program unless given.
    ///
    /// # Errors
    /// Why the fault cannot be done: an unknown or ambiguous name, a journal that still lists the target.
    pub async fn prepare(
        machine: &Machine,
        fault: &KeptFault,
        lasting: Time,
        program: Option<&Path>,
    ) -> Result<KeeperClient, FaultError> {
        let host = machine.engine.as_ref().map(|engine| engine.host().to_owned());
        let assignment = Assignment { host, fault: fault.clone(), lasting };
        let failed =
            FaultError::new("start", format!("the keeper of a {} fault", fault.kind()), "Nothing was changed.");
        let program = program.map(Path::to_owned).map_or_else(std::env::current_exe, Ok);
        let mut command = Command::new(program.map_err(|e| failed(e.to_string()))?);
        // It lives on, so nothing may wait for the end of its stderr.
        command.arg("keeper").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().map_err(|e| failed(e.to_string()))?;
        let (Some(mut stdin), Some(stdout)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut answers = BufReader::new(stdout).lines();
        let answer = async {
            send(&mut stdin, &assignment).await?;
            receive::<AssignmentAnswer>(&mut answers).await
        };
        let answer = timeout(START, answer).await.unwrap_or_else(|_| Err(format!("no answer in {START:?}")));
        let target = answer.map_err(failed)??;
        Ok(KeeperClient { fault: fault.clone(), target, requests: 0, stdin, answers, keeper })
    }

    /// The target that was found.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The keeper's process, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.keeper.id()
    }

    async fn step(&mut self, step: FaultAction, action: &'static str) -> Result<StepReport, FaultError> {
        self.requests += 1;
        let failed = self.target.failed(action);
        let request = StepRequest { number: self.requests, step };
        send(&mut self.stdin, &request).await.map_err(&failed)?;
        loop {
            let StepAnswer { number, result } = receive(&mut self.answers).await.map_err(&failed)?;
            // An earlier request may have timed out: its answer comes late.
            if number == request.number {
                return result;
            }
        }
    }
}

impl Fault for KeeperClient {
    fn kind(&self) -> &str {
        self.fault.kind()
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(FaultAction::Apply, "apply a fault to"))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(FaultAction::VerifyApplied, "verify a fault on"))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(FaultAction::Remove, "remove a fault from"))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(FaultAction::VerifyRemoved, "verify the removal of a fault from"))
    }
}

async fn send(stdin: &mut ChildStdin, message: &impl Serialize) -> Result<(), String> {
    let line = serde_json::to_string(message).map_err(|e| e.to_string())? + "\n";
    let sent = async { stdin.write_all(line.as_bytes()).await.and(stdin.flush().await) };
    sent.await.map_err(|e| format!("its keeper has ended ({e})"))
}

async fn receive<T: DeserializeOwned>(answers: &mut Lines<BufReader<ChildStdout>>) -> Result<T, String> {
    let line = answers.next_line().await.ok().flatten().ok_or("its keeper has ended")?;
    serde_json::from_str(&line).map_err(|e| format!("its keeper answered `{line}`: {e}"))
}
