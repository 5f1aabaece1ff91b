use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::process::{Answer, Ask, Order, Ready, Step};
use crate::docker::Engine;
use crate::fault::{ContainerFault, Fault, FaultError, StepFuture, StepReport, Subject};
use crate::units::Time;

/// A fault on a container, whose steps a keeper does: a process that removes the fault whatever becomes of this one.
/// Dropping it is the keeper's end, once all is as before.
pub struct KeeperClient {
    fault: ContainerFault,
    subject: Subject,
    asked: u64,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    keeper: Child,
}

/// A look from a peer on each of a container's networks is in it.
const START: Duration = Duration::from_secs(30);

impl KeeperClient {
    /// Starts a keeper, which looks for the container (by name, compose service or id) and whether such a fault, of at
    /// most `lasting`, can be done to it. Nothing is touched yet. `program` is this program itself if not given.
    ///
    /// # Errors
    /// What keeps the fault from being done: an unknown or ambiguous name, a journal that still lists the container.
    pub async fn prepare(
        engine: &Engine,
        container: &str,
        fault: ContainerFault,
        lasting: Time,
        program: Option<&Path>,
    ) -> Result<KeeperClient, FaultError> {
        let order =
            Order { host: engine.host().to_owned(), container: container.to_owned(), fault: fault.clone(), lasting };
        let failed = |why: String| FaultError {
            what: "start the keeper of".into(),
            on: format!("a {} of container {container}", fault.name()),
            why,
            remedy: "nothing was touched".into(),
        };
        let program = program.map(Path::to_owned).map_or_else(std::env::current_exe, Ok);
        let mut command = Command::new(program.map_err(|e| failed(e.to_string()))?);
        // It lives on, so nobody may wait for the end of its stderr.
        command.arg("keeper").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().map_err(|e| failed(e.to_string()))?;
        let (Some(mut stdin), Some(stdout)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut answers = BufReader::new(stdout).lines();
        let ready = async {
            say(&mut stdin, &order).await?;
            hear::<Ready>(&mut answers).await
        };
        let ready = timeout(START, ready).await.unwrap_or_else(|_| Err(format!("no answer in {START:?}")));
        let subject = ready.map_err(failed)??;
        Ok(KeeperClient { fault, subject, asked: 0, stdin, answers, keeper })
    }

    /// The container that was found.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The keeper's process, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.keeper.id()
    }

    async fn step(&mut self, step: Step, what: &'static str) -> Result<StepReport, FaultError> {
        self.asked += 1;
        let failed = self.subject.failed(what);
        let ask = Ask { number: self.asked, step };
        say(&mut self.stdin, &ask).await.map_err(&failed)?;
        loop {
            let Answer { number, result } = hear(&mut self.answers).await.map_err(&failed)?;
            // Whoever asked before lost patience.
            if number == ask.number {
                return result;
            }
        }
    }
}

impl Fault for KeeperClient {
    fn kind(&self) -> &str {
        self.fault.name()
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(Step::Apply, "apply a fault to"))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(Step::VerifyApplied, "verify a fault on"))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(Step::Remove, "remove a fault from"))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(Step::VerifyRemoved, "verify the removal of a fault from"))
    }
}

async fn say(stdin: &mut ChildStdin, what: &impl serde::Serialize) -> Result<(), String> {
    let line = serde_json::to_string(what).map_err(|e| e.to_string())? + "\n";
    let said = async { stdin.write_all(line.as_bytes()).await.and(stdin.flush().await) };
    said.await.map_err(|e| format!("its keeper is gone ({e})"))
}

async fn hear<T: serde::de::DeserializeOwned>(answers: &mut Lines<BufReader<ChildStdout>>) -> Result<T, String> {
    let line = answers.next_line().await.ok().flatten().ok_or("its keeper is gone")?;
    serde_json::from_str(&line).map_err(|e| format!("its keeper said `{line}`: {e}"))
}
