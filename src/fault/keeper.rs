//! The keeper of a fault on a container: a process of its own, in a session of its own, which alone touches the
//! container. It is told by lines of stdin, and answers each on stdout. The end of stdin (the run is over, or was
//! killed), a signal, or the fault's deadline mean: remove it.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

use super::journal::{Entry, Journal, provide};
use super::restore::{STEP, for_good};
use super::{ContainerFault, Fault, FaultError, Subject, Undo};
use crate::docker::Engine;
use crate::units::Time;

/// The first line: what to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub host: String,
    pub container: String,
    pub fault: ContainerFault,
    pub lasting: Time,
}

/// The answer to it.
pub(super) type Ready = Result<Subject, FaultError>;

/// A further line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub number: u64,
    pub step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    Apply,
    VerifyApplied,
    Remove,
    VerifyRemoved,
}

/// The answer to that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub number: u64,
    pub result: Result<String, FaultError>,
}

/// A run that is late by more than this has forgotten its fault.
const OVERDUE: Duration = Duration::from_secs(5);
/// Nobody waits, and an engine may be on its way up again.
const PATIENCE: Duration = Duration::from_secs(300);

/// Keeps one fault, from the first line of stdin to its end and the fault's.
///
/// # Errors
/// Where the system refuses, or the fault could not be removed: the journal lists it then.
pub fn run() -> anyhow::Result<()> {
    // What a terminal sends to the run's group is not for the keeper.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kept = runtime.block_on(keep());
    runtime.shutdown_background();
    kept
}

async fn keep() -> anyhow::Result<()> {
    let mut lines = Told::new()?;
    let Some(order) = lines.next(None).await else { return Ok(()) };
    let keeper = match serde_json::from_str(&order) {
        Ok(order) => Keeper::new(order).await,
        Err(error) => Err(FaultError {
            what: "understand".into(),
            on: format!("the order `{order}`"),
            why: error.to_string(),
            remedy: "nothing was touched".into(),
        }),
    };
    let mut keeper = match keeper {
        Ok(keeper) => keeper,
        Err(error) => {
            say(&Ready::Err(error));
            return Ok(());
        }
    };
    say(&Ready::Ok(keeper.undo.subject().clone()));
    loop {
        let deadline = keeper.deadline;
        let Some(line) = lines.next(deadline).await else {
            let overdue = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            keeper.remove_for_good().await?;
            if overdue { continue } else { break }
        };
        let Ok(Ask { number, step }) = serde_json::from_str(&line) else { continue };
        let result = keeper.step(step).await;
        say(&Answer { number, result });
    }
    Ok(())
}

struct Keeper {
    engine: Engine,
    order: Order,
    /// As last looked at.
    undo: Undo,
    fault: Box<dyn Fault>,
    /// While the fault is, or may be, on.
    journal: Option<Journal>,
    deadline: Option<Instant>,
    /// A request was not answered: the engine may still be at it.
    in_doubt: bool,
}

impl Keeper {
    async fn new(order: Order) -> Result<Keeper, FaultError> {
        let failed = |why: String| FaultError {
            what: "prepare".into(),
            on: format!("a {} of container {}", order.fault.name(), order.container),
            why,
            remedy: "nothing was touched".into(),
        };
        let engine = Engine::connect_to(&order.host).await.map_err(|e| failed(e.to_string()))?;
        provide().map_err(|e| failed(e.to_string()))?;
        let undo = Undo::find(&engine, &order.container, &order.fault).await?;
        let fault = undo.fault(&engine);
        Ok(Keeper { engine, order, undo, fault, journal: None, deadline: None, in_doubt: false })
    }

    async fn step(&mut self, step: Step) -> Result<String, FaultError> {
        if step == Step::Apply {
            self.take_down().await?;
        }
        // What was never applied is as before, whatever happened to it since.
        if self.journal.is_none() {
            return Ok("it was not applied, or was removed already".to_owned());
        }
        let doing = match step {
            Step::Apply => self.fault.apply(),
            Step::VerifyApplied => self.fault.verify_applied(),
            Step::Remove => self.fault.remove(),
            Step::VerifyRemoved if self.in_doubt => Box::pin(for_good(&self.engine, &self.undo, STEP / 5)),
            Step::VerifyRemoved => self.fault.verify_removed(),
        };
        let done = timeout(STEP, doing).await;
        self.in_doubt |= done.is_err();
        let late = || self.undo.subject().failed("reach the engine of")(format!("no answer in {STEP:?}"));
        let said = done.unwrap_or_else(|_| Err(late()))?;
        if step == Step::VerifyRemoved {
            self.close()?;
        }
        Ok(said)
    }

    /// Looks again, since time has passed, and writes down what undoing takes.
    async fn take_down(&mut self) -> Result<(), FaultError> {
        let failed = self.undo.subject().failed("look at");
        let details = self.engine.inspect(&self.undo.subject().id).await.map_err(failed)?;
        self.undo = Undo::look(&self.engine, &details, &self.order.fault, self.undo.reach()).await?;
        let entry = Entry::new(&self.engine, self.order.fault.name(), self.undo.clone());
        self.journal =
            Some(Journal::write(entry).map_err(self.undo.subject().failed("write down what undoing takes of"))?);
        self.fault = self.undo.fault(&self.engine);
        self.deadline = Some(Instant::now() + self.order.lasting.std() + OVERDUE);
        Ok(())
    }

    fn close(&mut self) -> Result<(), FaultError> {
        self.deadline = None;
        let closed = self.journal.take().map_or(Ok(()), Journal::close);
        closed.map_err(self.undo.subject().failed("close the journal of"))
    }

    async fn remove_for_good(&mut self) -> Result<(), FaultError> {
        self.deadline = None;
        if self.journal.is_some() {
            for_good(&self.engine, &self.undo, PATIENCE).await?;
            self.close()?;
        }
        Ok(())
    }
}

/// The lines of stdin, until somebody wants an end.
struct Told {
    lines: Lines<BufReader<pipe::Receiver>>,
    signals: [tokio::signal::unix::Signal; 3],
}

impl Told {
    fn new() -> io::Result<Told> {
        let stdin = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let signals =
            [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?];
        Ok(Told { lines: BufReader::new(stdin).lines(), signals })
    }

    /// `None` when there will be none, or none came before the deadline.
    async fn next(&mut self, deadline: Option<Instant>) -> Option<String> {
        let [terminate, interrupt, hangup] = &mut self.signals;
        tokio::select! {
            line = self.lines.next_line() => line.ok().flatten(),
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            _ = hangup.recv() => None,
            () = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            } => None,
        }
    }
}

/// A run that is gone hears nothing.
fn say(answer: &impl Serialize) {
    let mut out = io::stdout().lock();
    if let Ok(line) = serde_json::to_string(answer) {
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
