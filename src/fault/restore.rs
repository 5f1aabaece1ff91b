//! Undoing for good: tried until all is as before, and then looked at for some seconds more, since an engine may finish
//! a request of somebody who is gone.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::journal::{self, Entry, Found, Journal, JournalError};
use super::{FaultError, Undo};
use crate::docker::Engine;

/// What became of an entry.
#[derive(Debug)]
pub enum Restored {
    /// All is as before; with what there is to say about it.
    Undone(Entry, String),
    /// The container is no more, and nothing is left to undo.
    Gone(Entry),
    /// Somebody else is at work on it: a run that goes on.
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
    while let Some(Found::Held(_, path)) = &found
        && start.elapsed() < KEEPER
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
            let why = format!("another engine answers at {} (it calls itself {})", entry.host, engine.id());
            return Restored::Failed(Some(entry), why);
        }
        Err(error) => return Restored::Failed(Some(entry), error.to_string()),
    };
    // A helper that never started matters to nobody but those who list their containers.
    let _ = engine.sweep().await;
    let gone = engine.inspect(&entry.subject().id).await.is_err_and(|error| error.is_gone());
    let undone = if gone {
        Ok(String::new())
    } else {
        for_good(&engine, &entry.undo, PATIENCE).await.map_err(|e| e.to_string())
    };
    match undone.and_then(|said| journal.close().map(|()| said).map_err(|e| e.to_string())) {
        Ok(_) if gone => Restored::Gone(entry),
        Ok(said) => Restored::Undone(entry, said),
        Err(why) => Restored::Failed(Some(entry), why),
    }
}

/// Longer than a keeper looks again.
const KEEPER: Duration = Duration::from_secs(8);
/// A person waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing that is asked of an engine takes longer.
pub(super) const STEP: Duration = Duration::from_secs(25);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Undoes, and looks again until the engine can't be late any more. Tries for `patience`.
///
/// # Errors
/// Why it is not as before even so.
pub(super) async fn for_good(engine: &Engine, undo: &Undo, patience: Duration) -> Result<String, FaultError> {
    let start = Instant::now();
    let afar = undo.clone().traces_alone();
    let mut settled = Instant::now() + undo.lateness();
    // Undone at once, whatever a peer may see later.
    let mut undone = once(engine, &afar, true).await;
    loop {
        match undone {
            Ok(_) if Instant::now() >= settled => break,
            Ok(_) => sleep(BETWEEN_LOOKS).await,
            Err(error) if start.elapsed() >= patience.max(undo.lateness()) => return Err(error),
            Err(_) => sleep(BETWEEN_TRIES).await,
        }
        undone = match once(engine, &afar, false).await {
            Err(_) => {
                // What came late may have come in parts.
                settled = settled.max(Instant::now() + Duration::from_secs(1));
                once(engine, &afar, true).await
            }
            seen => seen,
        };
    }
    // All that was done to it is undone. What a peer sees of it may have other reasons by now.
    Ok(once(engine, undo, false).await.unwrap_or_else(|error| format!("warning: {error}")))
}

/// Looks whether all is as before, after removing the fault or not.
async fn once(engine: &Engine, undo: &Undo, remove: bool) -> Result<String, FaultError> {
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
