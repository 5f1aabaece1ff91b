//! Undoing for good: tried until all is as before, and then looked at for some seconds more, since an engine may finish
//! a request of somebody who is gone.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::journal;
use super::journal::{Entry, Found, Journal, JournalError};
use crate::docker::Engine;
use crate::fault::{FaultError, StepReport, UndoRecord};

/// What became of an entry.
#[derive(Debug)]
pub enum Restored {
    /// All is as before; with what there is to say about it.
    Undone(Entry, StepReport),
    /// The container is no more, and nothing is left to undo.
    Gone(Entry),
    /// Somebody else is at work on it: a run that goes on, or the keeper of one that is gone.
    Held(Entry),
    Failed(Option<Entry>, String),
}

/// Undoes all that the journals of this user list.
///
/// # Errors
/// Where they can't be read.
pub async fn all() -> Result<Vec<Restored>, JournalError> {
    let each = journal::all()?.into_iter().map(|found| {
        tokio::spawn(async move {
            Some(match once_free(found).await? {
                Found::Open(journal) => one(journal).await,
                Found::Held(entry, _) => Restored::Held(entry),
                Found::Unreadable(error) => Restored::Failed(None, error.to_string()),
            })
        })
    });
    let mut restored = Vec::new();
    for one in each.collect::<Vec<_>>() {
        restored.extend(one.await.unwrap_or_else(|error| Some(Restored::Failed(None, error.to_string()))));
    }
    Ok(restored)
}

/// A keeper whose run is gone is at work on its journal for some seconds more. `None` where it has closed it.
async fn once_free(found: Found) -> Option<Found> {
    let start = Instant::now();
    let mut found = Some(found);
    while let Some(Found::Held(entry, path)) = &found
        && start.elapsed() < entry.undo.lateness() + KEEPER
    {
        sleep(BETWEEN_LOOKS).await;
        found = journal::open(path);
    }
    found
}

async fn one(journal: Journal) -> Restored {
    let entry = journal.entry.clone();
    let engine = match Engine::connect_to(&entry.host).await {
        Ok(engine) if engine.id() == entry.engine => engine,
        Ok(engine) => {
            let why = format!(
                "another engine answers at {} (it calls itself {}, and the fault is on {}): start that one again; if it \
                 is no more, nothing is left to undo: delete {}",
                entry.host,
                engine.id(),
                entry.engine,
                journal.path().display()
            );
            return Restored::Failed(Some(entry), why);
        }
        Err(error) => return Restored::Failed(Some(entry), error.to_string()),
    };
    // A helper that never started matters to nobody but those who list their containers.
    let _ = engine.sweep().await;
    let said = match for_good(&engine, &entry.undo, PATIENCE).await {
        Ok(()) => seen_at_last(&engine, &entry.undo).await,
        Err(error) => return Restored::Failed(Some(entry), error.to_string()),
    };
    match (journal.close(), said) {
        (Ok(()), Some(said)) => Restored::Undone(entry, said),
        (Ok(()), None) => Restored::Gone(entry),
        (Err(why), _) => Restored::Failed(Some(entry), why.to_string()),
    }
}

/// Longer than a keeper takes beside waiting for an engine that is late: for its last look above all.
const KEEPER: Duration = Duration::from_secs(13);
/// A person waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing that is asked of an engine takes longer.
pub(crate) const STEP: Duration = Duration::from_secs(25);
/// A look that an engine answers at once. Nothing waits for it longer.
pub(crate) const GLANCE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Undoes, and looks again until the engine can't be late any more. Tries for `patience`. A container that is no more
/// has nothing to undo.
///
/// # Errors
/// Why it is not as before even so.
pub(crate) async fn for_good(engine: &Engine, undo: &UndoRecord, patience: Duration) -> Result<(), FaultError> {
    let start = Instant::now();
    let traces = undo.clone().traces_alone();
    let mut settled = Instant::now() + undo.lateness();
    // Undone at once, whatever a peer may see later.
    let mut undone = once(engine, &traces, true).await;
    loop {
        match undone {
            Ok(_) if Instant::now() >= settled => return Ok(()),
            Ok(_) => sleep(BETWEEN_LOOKS).await,
            Err(_) if is_gone(engine, undo).await => return Ok(()),
            Err(error) if start.elapsed() >= patience.max(undo.lateness()) => return Err(error),
            Err(_) => sleep(BETWEEN_TRIES).await,
        }
        undone = match once(engine, &traces, false).await {
            Err(_) => {
                // What came late may have come in parts.
                settled = settled.max(Instant::now() + Duration::from_secs(1));
                once(engine, &traces, true).await
            }
            seen => seen,
        };
    }
}

/// What there is to say of a container whose fault is undone, its peers' view included: what is amiss with it may have
/// other reasons by now, and so is a warning. `None` for one that is no more.
pub(crate) async fn seen_at_last(engine: &Engine, undo: &UndoRecord) -> Option<StepReport> {
    match once(engine, undo, false).await {
        Ok(said) => Some(said),
        Err(_) if is_gone(engine, undo).await => None,
        Err(error) => Some(StepReport::warning(format!("{} {}: {}", error.what, error.on, error.why))),
    }
}

/// Whether the container is no more. One that nobody can tell of may be there.
pub(crate) async fn is_gone(engine: &Engine, undo: &UndoRecord) -> bool {
    let looked = timeout(GLANCE, engine.inspect(&undo.subject().id)).await;
    looked.is_ok_and(|looked| looked.is_err_and(|error| error.is_gone()))
}

/// What a run hears of a fault on such a one.
pub(crate) fn gone(undo: &UndoRecord) -> FaultError {
    let why = "the container is no more: it was removed while the fault was on it";
    undo.subject().refused("undo the fault on", why, "nothing is left to undo; start the system under test again")
}

/// Looks whether all is as before, after removing the fault or not.
async fn once(engine: &Engine, undo: &UndoRecord, remove: bool) -> Result<StepReport, FaultError> {
    let mut fault = undo.fault(engine);
    let steps = async {
        if remove {
            fault.remove().await?;
        }
        fault.verify_removed().await
    };
    let late = || undo.subject().failed("undo the fault on")(format!("the engine did not answer in {STEP:?}"));
    timeout(STEP, steps).await.unwrap_or_else(|_| Err(late()))
}
