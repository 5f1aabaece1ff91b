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

use super::journal::{Entry, Journal, provide, refuse_others};
use super::restore::{GLANCE, STEP, for_good, gone, is_gone, seen_at_last};
use super::undo::unprepared;
use crate::docker::Engine;
use crate::fault::{ContainerFault, Fault, FaultError, StepReport, Subject, UndoRecord};
use crate::units::Time;

/// The first line: what to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub host: String,
    pub container: String,
    pub fault: ContainerFault,
    pub lasting: Time,
}

/// The answer to it.
pub(crate) type Ready = Result<Subject, FaultError>;

/// A further line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub number: u64,
    pub step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    Apply,
    VerifyApplied,
    Remove,
    VerifyRemoved,
}

/// The answer to that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub number: u64,
    pub result: Result<StepReport, FaultError>,
}

/// A run that is late by more than this has forgotten its fault.
const OVERDUE: Duration = Duration::from_secs(5);
/// One that has begun to remove it has not: it tries again for as long as a container may take to come up.
const REMOVING: Duration = Duration::from_secs(60);
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
    /// The process that wants it done.
    run: u32,
    /// As last looked at.
    undo: UndoRecord,
    fault: Box<dyn Fault>,
    /// While the fault is, or may be, on.
    journal: Option<Journal>,
    /// When a run that asks nothing has forgotten the fault.
    deadline: Option<Instant>,
    /// A request was not answered: the engine may still be at it.
    in_doubt: bool,
    /// It was seen to be on.
    on: bool,
    /// How it was not seen to be on any more, when it was to be removed.
    lapsed: Option<StepReport>,
    /// What came of removing it: the answer to a run that asks later.
    removed: Option<Result<StepReport, FaultError>>,
}

impl Keeper {
    async fn new(order: Order) -> Result<Keeper, FaultError> {
        let failed = unprepared(&order.fault, &order.container);
        let engine = Engine::connect_to(&order.host).await.map_err(|e| failed(e.to_string()))?;
        provide().map_err(|e| failed(e.to_string()))?;
        let undo = UndoRecord::find(&engine, &order.container, &order.fault).await?;
        let fault = undo.fault(&engine);
        let run = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        let (journal, deadline, lapsed, removed) = (None, None, None, None);
        Ok(Keeper { engine, order, run, undo, fault, journal, deadline, in_doubt: false, on: false, lapsed, removed })
    }

    async fn step(&mut self, step: Step) -> Result<StepReport, FaultError> {
        if step == Step::Apply {
            self.take_down().await?;
        }
        if self.journal.is_none() {
            return self.without_a_journal(step);
        }
        if step == Step::Remove {
            self.look_whether_it_lasted().await;
        }
        let done = self.in_time(step).await;
        // From the answer on, since until then the run waits.
        self.deadline = Some(Instant::now() + self.patience(step));
        match (step, done) {
            (Step::VerifyApplied, Ok(said)) => {
                self.on = true;
                Ok(said)
            }
            (Step::VerifyRemoved, Ok(said)) => {
                let lapsed = self.lapsed.take().unwrap_or_default();
                self.close(Ok(said.and(lapsed)))
            }
            (_, Err(_)) if is_gone(&self.engine, &self.undo).await => self.close(Err(gone(&self.undo))),
            (_, done) => done,
        }
    }

    async fn in_time(&mut self, step: Step) -> Result<StepReport, FaultError> {
        let doing = match step {
            Step::Apply => self.fault.apply(),
            Step::VerifyApplied => self.fault.verify_applied(),
            Step::Remove => self.fault.remove(),
            Step::VerifyRemoved if self.in_doubt => Box::pin(async {
                for_good(&self.engine, &self.undo, STEP / 5).await?;
                self.fault.verify_removed().await
            }),
            Step::VerifyRemoved => self.fault.verify_removed(),
        };
        let done = timeout(STEP, doing).await;
        self.in_doubt |= done.is_err();
        let late = || self.undo.subject().failed("reach the engine of")(format!("no answer in {STEP:?}"));
        done.unwrap_or_else(|_| Err(late()))
    }

    /// For how long after the answer the run may keep silent.
    fn patience(&self, step: Step) -> Duration {
        match step {
            Step::Apply | Step::VerifyApplied => self.order.lasting.std() + OVERDUE,
            Step::Remove | Step::VerifyRemoved => REMOVING,
        }
    }

    /// What was never applied, or is undone already, is as it then was, whatever happened to the container since.
    fn without_a_journal(&self, step: Step) -> Result<StepReport, FaultError> {
        match (step, &self.removed) {
            // Whoever takes it for on would wait for its end.
            (Step::VerifyApplied, removed) => {
                let why = match removed {
                    Some(_) => "its keeper has removed it already, since the run was late",
                    None => "it was not applied",
                };
                Err(self.undo.subject().refused("verify a fault on", why, "nothing is left to undo"))
            }
            (_, Some(removed)) => removed.clone(),
            (_, None) => Ok("it was not applied".into()),
        }
    }

    /// Looks again, since time has passed, and writes down what undoing takes.
    async fn take_down(&mut self) -> Result<(), FaultError> {
        let Subject { id, .. } = self.undo.subject().clone();
        let details = self.engine.inspect(&id).await.map_err(self.undo.subject().untouched("look at"))?;
        self.undo = UndoRecord::look(&self.engine, &details, &self.order.fault, self.undo.reach()).await?;
        let entry = Entry::new(&self.engine, self.order.fault.name(), self.run, self.undo.clone());
        let failed = self.undo.subject().untouched("write down what undoing takes of");
        let journal = Journal::write(entry).map_err(failed)?;
        // Only now: of two runs that come at the same time at least one sees the other's.
        if let Err(others) = refuse_others(&self.engine, &id, self.run) {
            journal.close().map_err(self.undo.subject().untouched("close the journal of"))?;
            return Err(self.undo.subject().untouched("apply a fault to")(others));
        }
        self.fault = self.undo.fault(&self.engine);
        (self.journal, self.on, self.lapsed, self.removed) = (Some(journal), false, None, None);
        Ok(())
    }

    /// One that did not last shows in no other way, and the outage was shorter than it seems.
    async fn look_whether_it_lasted(&mut self) {
        if std::mem::take(&mut self.on)
            && let Ok(Err(error)) = timeout(GLANCE, self.fault.verify_applied()).await
        {
            let warning = format!("right before its removal it was not seen to be on: {}", error.why);
            self.lapsed = Some(StepReport::warning(warning));
        }
    }

    /// The fault is gone, as is what undoing it takes.
    fn close(&mut self, removed: Result<StepReport, FaultError>) -> Result<StepReport, FaultError> {
        self.deadline = None;
        let closed = self.journal.take().map_or(Ok(()), Journal::close);
        let removed = closed.map_err(self.undo.subject().failed("close the journal of")).and(removed);
        self.removed = Some(removed.clone());
        removed
    }

    async fn remove_for_good(&mut self) -> Result<(), FaultError> {
        self.deadline = None;
        if self.journal.is_some() {
            for_good(&self.engine, &self.undo, PATIENCE).await?;
            let seen = seen_at_last(&self.engine, &self.undo).await;
            // That the container is gone is for a run to hear, if one asks.
            let late = StepReport::warning("its keeper removed it, since the run was late");
            let _ = self.close(seen.map(|seen| seen.and(late)).ok_or_else(|| gone(&self.undo)));
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
            // A run that has asked is not late.
            biased;
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            _ = hangup.recv() => None,
            line = self.lines.next_line() => line.ok().flatten(),
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
