//! The keeper of a fault: a process of its own, in a session of its own, which alone changes the fault's target. Each
//! line of its stdin is a request, and it answers each on stdout. The end of stdin (the run is over, or was killed), a
//! signal, and the fault's deadline each mean: remove the fault.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout};

use super::journal::{Entry, Journal, provide, refuse_others, refuse_target};
use super::messages::{Assignment, AssignmentAnswer, FaultAction, StepAnswer, StepRequest};
use super::restore::{GLANCE, STEP, gone, undo_for_good, verify_at_last};
use crate::docker::Engine;
use crate::fault::{Fault, FaultError, Machine, StepReport, Target, UndoRecord};

/// A run that is late by more than this has forgotten its fault.
const OVERDUE: Duration = Duration::from_secs(5);
/// A run that has begun to remove it may try for as long as a container takes to come up.
const REMOVING: Duration = Duration::from_secs(60);
/// Nobody waits for a keeper whose run is gone, and an engine may be starting again.
const PATIENCE: Duration = Duration::from_secs(300);

/// Keeps one fault, from the first line of stdin to the end of stdin and of the fault.
///
/// # Errors
/// Where the system refuses, or the fault could not be removed: the journal lists it then.
pub fn run() -> anyhow::Result<()> {
    // The signals that a terminal sends to the run's group are not for the keeper.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kept = runtime.block_on(keep());
    runtime.shutdown_background();
    kept
}

async fn keep() -> anyhow::Result<()> {
    let mut lines = RequestLines::new()?;
    let Some(line) = lines.next(None).await else { return Ok(()) };
    let keeper = match serde_json::from_str(&line) {
        Ok(assignment) => Keeper::new(assignment).await,
        Err(error) => Err(FaultError::new("read", format!("the request `{line}`"), "Nothing was changed.")(error)),
    };
    let mut keeper = match keeper {
        Ok(keeper) => keeper,
        Err(error) => {
            answer(&AssignmentAnswer::Err(error));
            return Ok(());
        }
    };
    answer(&AssignmentAnswer::Ok(keeper.undo.target()));
    loop {
        let deadline = keeper.deadline;
        let Some(line) = lines.next(deadline).await else {
            let overdue = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            keeper.remove_for_good().await?;
            if overdue { continue } else { break }
        };
        let Ok(StepRequest { number, step }) = serde_json::from_str(&line) else { continue };
        let result = keeper.step(step).await;
        answer(&StepAnswer { number, result });
    }
    Ok(())
}

struct Keeper {
    machine: Machine,
    assignment: Assignment,
    /// The process that wants the fault.
    run: u32,
    /// The state of the last inspection.
    undo: UndoRecord,
    fault: Box<dyn Fault>,
    /// While the fault is, or may be, on.
    journal: Option<Journal>,
    /// When a run that sends no request has forgotten the fault.
    deadline: Option<Instant>,
    /// A request to the engine timed out: the engine may still carry it out.
    in_doubt: bool,
    /// It was verified to be on.
    on: bool,
    /// Why it was no longer on, right before its removal.
    lapsed: Option<StepReport>,
    /// The result of its removal: the answer to a run that asks later.
    removed: Option<Result<StepReport, FaultError>>,
}

impl Keeper {
    async fn new(assignment: Assignment) -> Result<Keeper, FaultError> {
        let kind = assignment.fault.kind();
        let failed = FaultError::new("prepare", format!("a {kind} fault"), "Nothing was changed.");
        let engine = match &assignment.host {
            Some(host) => Some(Engine::connect_to(host).await.map_err(|e| failed(e.to_string()))?),
            None => None,
        };
        let machine = Machine { engine };
        provide().map_err(|e| failed(e.to_string()))?;
        let admit = |target: &Target| refuse_target(&machine, target);
        let undo = assignment.fault.snapshot(&machine, None, admit).await?;
        let fault = undo.fault(&machine)?;
        let run = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        let (journal, deadline, lapsed, removed) = (None, None, None, None);
        let (in_doubt, on) = (false, false);
        Ok(Keeper { machine, assignment, run, undo, fault, journal, deadline, in_doubt, on, lapsed, removed })
    }

    async fn step(&mut self, step: FaultAction) -> Result<StepReport, FaultError> {
        if step == FaultAction::Apply {
            self.write_journal().await?;
        }
        if self.journal.is_none() {
            return self.step_without_journal(step);
        }
        if step == FaultAction::Remove {
            self.verify_lasted().await;
        }
        let done = self.carry_out(step).await;
        // From the answer on, since until then the run waits.
        self.deadline = Some(Instant::now() + self.patience(step));
        match (step, done) {
            (FaultAction::VerifyApplied, Ok(report)) => {
                self.on = true;
                Ok(report)
            }
            (FaultAction::VerifyRemoved, Ok(report)) => {
                let lapsed = self.lapsed.take().unwrap_or_default();
                self.close(Ok(report.and(lapsed)))
            }
            (_, Err(_)) if self.undo.target().is_gone(&self.machine, GLANCE).await => self.close(Err(gone(&self.undo))),
            (_, done) => done,
        }
    }

    async fn carry_out(&mut self, step: FaultAction) -> Result<StepReport, FaultError> {
        let doing = match step {
            FaultAction::Apply => self.fault.apply(),
            FaultAction::VerifyApplied => self.fault.verify_applied(),
            FaultAction::Remove => self.fault.remove(),
            FaultAction::VerifyRemoved if self.in_doubt => Box::pin(async {
                undo_for_good(&self.machine, &self.undo, STEP / 5).await?;
                self.fault.verify_removed().await
            }),
            FaultAction::VerifyRemoved => self.fault.verify_removed(),
        };
        let done = timeout(STEP, doing).await;
        self.in_doubt |= done.is_err();
        let late = || self.undo.target().failed("change")(format!("no answer in {STEP:?}"));
        done.unwrap_or_else(|_| Err(late()))
    }

    /// How long after the answer the run may take until its next request.
    fn patience(&self, step: FaultAction) -> Duration {
        match step {
            FaultAction::Apply | FaultAction::VerifyApplied => self.assignment.lasting.std() + OVERDUE,
            FaultAction::Remove | FaultAction::VerifyRemoved => REMOVING,
        }
    }

    /// A fault that was never applied, or is undone already, stays so, whatever happened to its target since.
    fn step_without_journal(&self, step: FaultAction) -> Result<StepReport, FaultError> {
        match (step, &self.removed) {
            // A run that takes it for applied would wait for its end.
            (FaultAction::VerifyApplied, removed) => {
                let why = match removed {
                    Some(_) => "its keeper has removed it already, because the run was late",
                    None => "it was not applied",
                };
                let target = self.undo.target().to_string();
                Err(FaultError::new("verify a fault on", target, "Nothing is left to undo.")(why))
            }
            (_, Some(removed)) => removed.clone(),
            (_, None) => Ok("it was not applied".into()),
        }
    }

    /// Takes the state again, since time has passed, and writes it to the journal.
    async fn write_journal(&mut self) -> Result<(), FaultError> {
        let undo = self.assignment.fault.snapshot(&self.machine, Some(&self.undo), |_| Ok(())).await?;
        let fault = undo.fault(&self.machine)?;
        let target = undo.target();
        let entry = Entry::new(&self.machine, self.assignment.fault.kind(), self.run, undo.clone());
        let journal = Journal::write(entry).map_err(target.untouched("write the journal of"))?;
        // Only now: of two runs that come at the same time at least one sees the other's journal.
        if let Err(others) = refuse_others(&self.machine, &target, self.run) {
            journal.close().map_err(target.untouched("close the journal of"))?;
            return Err(target.untouched("apply a fault to")(others));
        }
        (self.undo, self.fault) = (undo, fault);
        (self.journal, self.on, self.lapsed, self.removed) = (Some(journal), false, None, None);
        Ok(())
    }

    /// Verifies once more that the fault is on: if it ended early, the outage was shorter than it seems.
    async fn verify_lasted(&mut self) {
        if std::mem::take(&mut self.on)
            && let Ok(Err(error)) = timeout(GLANCE, self.fault.verify_applied()).await
        {
            let warning = format!("right before its removal the fault was no longer on: {}", error.why);
            self.lapsed = Some(StepReport::warning(warning));
        }
    }

    /// The fault is removed: deletes the journal.
    fn close(&mut self, removed: Result<StepReport, FaultError>) -> Result<StepReport, FaultError> {
        self.deadline = None;
        let closed = self.journal.take().map_or(Ok(()), Journal::close);
        let removed = closed.map_err(self.undo.target().failed("close the journal of")).and(removed);
        self.removed = Some(removed.clone());
        removed
    }

    async fn remove_for_good(&mut self) -> Result<(), FaultError> {
        self.deadline = None;
        if self.journal.is_some() {
            undo_for_good(&self.machine, &self.undo, PATIENCE).await?;
            let verified = verify_at_last(&self.machine, &self.undo).await;
            // A run that still lives may ask for the result.
            let late = StepReport::warning("its keeper removed it, because the run was late");
            let _ = self.close(verified.map(|report| report.and(late)).ok_or_else(|| gone(&self.undo)));
        }
        Ok(())
    }
}

/// The lines of stdin, until the keeper must end.
struct RequestLines {
    lines: Lines<BufReader<pipe::Receiver>>,
    signals: [Signal; 3],
}

impl RequestLines {
    fn new() -> io::Result<RequestLines> {
        let stdin = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let signals =
            [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?];
        Ok(RequestLines { lines: BufReader::new(stdin).lines(), signals })
    }

    /// `None` where there will be no more, or none came before the deadline.
    async fn next(&mut self, deadline: Option<Instant>) -> Option<String> {
        let [terminate, interrupt, hangup] = &mut self.signals;
        tokio::select! {
            // A run that has sent a request is not late.
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

/// A run that is gone reads no answer.
fn answer(message: &impl Serialize) {
    let mut out = io::stdout().lock();
    if let Ok(line) = serde_json::to_string(message) {
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
