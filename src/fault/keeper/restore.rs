//! Undoing for good: tried until all is as before, and then verified for some seconds more, since an engine may carry out
//! a request whose sender is gone.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::journal::{self, Entry, FoundJournal, Journal, JournalError};
use crate::docker::Engine;
use crate::fault::{FaultError, Machine, StepReport, UndoRecord};

/// The result of undoing what an entry lists.
#[derive(Debug)]
pub enum Restoration {
    /// All is as before; with what was verified.
    Undone(Entry, StepReport),
    /// The target is gone, and nothing is left to undo.
    Gone(Entry),
    /// Another process is at work on it: a run that goes on, or the keeper of one that is gone.
    Held(Entry),
    Failed(Option<Entry>, String),
}

/// Undoes all that the journals of this user list.
///
/// # Errors
/// Where they can't be read.
pub async fn all() -> Result<Vec<Restoration>, JournalError> {
    let each = journal::all()?.into_iter().map(|found| {
        tokio::spawn(async move {
            Some(match once_free(found).await? {
                FoundJournal::Open(journal) => one(journal).await,
                FoundJournal::Held(entry, _) => Restoration::Held(entry),
                FoundJournal::Unreadable(error) => Restoration::Failed(None, error.to_string()),
            })
        })
    });
    let mut restored = Vec::new();
    for one in each.collect::<Vec<_>>() {
        restored.extend(one.await.unwrap_or_else(|error| Some(Restoration::Failed(None, error.to_string()))));
    }
    Ok(restored)
}

/// A keeper whose run is gone is at work on its journal for some seconds more. `None` where it has closed it.
async fn once_free(found: FoundJournal) -> Option<FoundJournal> {
    let start = Instant::now();
    let mut found = Some(found);
    while let Some(FoundJournal::Held(entry, path)) = &found
        && start.elapsed() < entry.undo.lateness() + KEEPER
    {
        sleep(BETWEEN_CHECKS).await;
        found = journal::open(path);
    }
    found
}

async fn one(journal: Journal) -> Restoration {
    let entry = journal.entry.clone();
    let machine = match connect(&entry, &journal).await {
        Ok(machine) => machine,
        Err(why) => return Restoration::Failed(Some(entry), why),
    };
    let verified = match undo_for_good(&machine, &entry.undo, PATIENCE).await {
        Ok(()) => verify_at_last(&machine, &entry.undo).await,
        Err(error) => return Restoration::Failed(Some(entry), error.to_string()),
    };
    match (journal.close(), verified) {
        (Ok(()), Some(report)) => Restoration::Undone(entry, report),
        (Ok(()), None) => Restoration::Gone(entry),
        (Err(why), _) => Restoration::Failed(Some(entry), why.to_string()),
    }
}

/// The machine with the engine of the entry's container, which may have another address by now.
async fn connect(entry: &Entry, journal: &Journal) -> Result<Machine, String> {
    let Some(host) = &entry.host else { return Ok(Machine::default()) };
    let engine = Engine::connect_to_id(&entry.engine, host).await.map_err(|error| {
        format!("{error}. If it no longer exists, nothing is left to undo: delete {}", journal.path().display())
    })?;
    // A helper that never started only shows in a list of containers.
    let _ = engine.sweep().await;
    Ok(Machine { engine: Some(engine) })
}

/// More than a keeper takes for its last verification, beside waiting for a late engine.
const KEEPER: Duration = Duration::from_secs(13);
/// A user waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// No step takes an engine longer.
pub(crate) const STEP: Duration = Duration::from_secs(25);
/// For an inspection that an engine answers at once.
pub(crate) const GLANCE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
const BETWEEN_CHECKS: Duration = Duration::from_millis(500);

/// Undoes, and verifies until the engine cannot be late any more. Tries for `patience`. A target that is gone has nothing
/// to undo.
///
/// # Errors
/// Why it is not as before even so.
pub(crate) async fn undo_for_good(machine: &Machine, undo: &UndoRecord, patience: Duration) -> Result<(), FaultError> {
    let start = Instant::now();
    let lateness = undo.lateness();
    let mut traces = undo.clone();
    traces.ignore_condition();
    let mut settled = Instant::now() + lateness;
    // Undone at once, whatever a peer may reach later.
    let mut undone = undo_once(machine, &traces, true).await;
    loop {
        match undone {
            Ok(_) if Instant::now() >= settled => return Ok(()),
            Ok(_) => sleep(BETWEEN_CHECKS).await,
            Err(_) if undo.target().is_gone(machine, GLANCE).await => return Ok(()),
            Err(error) if start.elapsed() >= patience.max(lateness) => return Err(error),
            Err(_) => sleep(BETWEEN_TRIES).await,
        }
        undone = match undo_once(machine, &traces, false).await {
            Err(_) => {
                // What the engine carried out late may come in parts.
                settled = settled.max(Instant::now() + Duration::from_secs(1));
                undo_once(machine, &traces, true).await
            }
            verified => verified,
        };
    }
}

/// What can be verified of a target whose fault is undone, what its peers reach included. A failure may have other
/// reasons by now, and so is a warning. `None` for a target that is gone.
pub(crate) async fn verify_at_last(machine: &Machine, undo: &UndoRecord) -> Option<StepReport> {
    match undo_once(machine, undo, false).await {
        Ok(report) => Some(report),
        Err(_) if undo.target().is_gone(machine, GLANCE).await => None,
        Err(error) => Some(StepReport::warning(format!("{} {}: {}", error.action, error.target, error.why))),
    }
}

/// The error for a run whose fault's target is gone.
pub(crate) fn gone(undo: &UndoRecord) -> FaultError {
    let target = undo.target();
    let remedy = "Nothing is left to undo; start the system under test again.";
    FaultError::new("undo the fault on", target.to_string(), remedy)(
        "it is gone: it ended or was removed during the fault",
    )
}

/// Verifies that all is as before; removes the fault first if `remove`.
async fn undo_once(machine: &Machine, undo: &UndoRecord, remove: bool) -> Result<StepReport, FaultError> {
    let mut fault = undo.fault(machine)?;
    let steps = async {
        if remove {
            fault.remove().await?;
        }
        fault.verify_removed().await
    };
    let late = || undo.target().failed("undo the fault on")(format!("no answer in {STEP:?}"));
    timeout(STEP, steps).await.unwrap_or_else(|_| Err(late()))
}
