//! What undoing each fault takes that is done to a container now, on disk: a file a fault, under
//! `$XDG_STATE_HOME/metawrk/faults`. It is there before anything is touched, and gone once all is as before; whoever
//! holds it locked is at work on it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::docker::Engine;
use crate::fault::{Subject, UndoRecord};

/// One fault that is done to a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    version: u32,
    /// The engine's address, and what it calls itself.
    pub host: String,
    pub engine: String,
    /// Wall time, RFC 3339.
    pub since: String,
    pub kind: String,
    /// The process of the run that had it done; 0 where that is not known.
    #[serde(default)]
    pub run: u32,
    pub undo: UndoRecord,
}

const VERSION: u32 = 1;

/// Why a journal can't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("there is no place for what undoing a fault takes: set HOME, or XDG_STATE_HOME to a folder of your own")]
    NoPlace,
    #[error("cannot {doing} {}: {source}; faults need a place for what undoing them takes (XDG_STATE_HOME says where)", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {why}; if nothing is amiss with the containers, delete it", path.display())]
    Foreign { path: PathBuf, why: String },
    #[error("container {name} still carries a `{kind}` of {since} ({}): run `metawrk restore` first", path.display())]
    Listed { name: String, kind: String, since: String, path: PathBuf },
    #[error(
        "another run, or its keeper, is at work on container {name}, with a `{kind}` of {since} ({}): wait for its end, \
         or end it",
        path.display()
    )]
    AtWork { name: String, kind: String, since: String, path: PathBuf },
}

impl Entry {
    pub(crate) fn new(engine: &Engine, kind: &str, run: u32, undo: UndoRecord) -> Entry {
        Entry {
            version: VERSION,
            host: engine.host().to_owned(),
            engine: engine.id().to_owned(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            kind: kind.to_owned(),
            run,
            undo,
        }
    }

    pub fn subject(&self) -> &Subject {
        self.undo.subject()
    }

    /// By engine, container and kind: two journals can't be about the same.
    fn file_name(&self) -> String {
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>();
        format!("{}-{}-{}.json", plain(&self.engine), plain(&self.subject().id), self.kind)
    }

    /// A journal is not trusted: what goes into an engine's paths must be what it seems.
    fn check(&self) -> Result<(), String> {
        let is_id = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let networks = match &self.undo {
            UndoRecord::Disconnect(before) => {
                before.endpoints.iter().map(|endpoint| endpoint.network_id.as_str()).collect()
            }
            _ => Vec::new(),
        };
        match self.version == VERSION {
            false => Err(format!("it is of version {}, and this program knows {VERSION}", self.version)),
            true if !is_id(&self.subject().id) => Err(format!("`{}` is no container's id", self.subject().id)),
            true => match networks.into_iter().find(|id| !is_id(id)) {
                Some(id) => Err(format!("`{id}` is no network's id")),
                None => Ok(()),
            },
        }
    }
}

/// An entry on disk, locked for as long as this lives.
#[derive(Debug)]
pub struct Journal {
    pub entry: Entry,
    path: PathBuf,
    _lock: File,
}

impl Journal {
    /// Writes `entry` down so that a power cut does not lose it.
    ///
    /// # Errors
    /// [`JournalError::Listed`] or [`JournalError::AtWork`] where the same is done to the container already.
    pub fn write(entry: Entry) -> Result<Journal, JournalError> {
        let folder = provide()?;
        let io = |doing, path: &Path| io_error(doing, path);
        let path = folder.join(entry.file_name());
        // A name that no reader looks at, until it is whole.
        let unborn = folder.join(format!(".{}.{}", entry.file_name(), std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unborn)
            .map_err(io("create", &unborn))?;
        let written = (|| {
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            file.write_all(&serde_json::to_vec_pretty(&entry)?)?;
            file.sync_all()?;
            // Unlike a renaming this fails where there is one.
            fs::hard_link(&unborn, &path)
        })();
        // What is left of it matters to nobody.
        let _ = fs::remove_file(&unborn);
        written.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => open(&path).map_or_else(|| io("write", &path)(e), refusal),
            _ => io("write", &path)(e),
        })?;
        sync(&folder)?;
        Ok(Journal { entry, path, _lock: file })
    }

    /// All is as before.
    ///
    /// # Errors
    /// Where it can't be deleted.
    pub fn close(self) -> Result<(), JournalError> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("delete", &self.path)(e)),
            _ => self.path.parent().map_or(Ok(()), sync),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal as one finds it.
#[derive(Debug)]
pub enum Found {
    /// Nobody is at work on it.
    Open(Journal),
    /// A run is, or another `restore`.
    Held(Entry, PathBuf),
    Unreadable(JournalError),
}

/// Sees to a place for journals that can be written to, and says where it is: before any load, since a fault without
/// one is not done.
///
/// # Errors
/// Where there can be none.
pub fn provide() -> Result<PathBuf, JournalError> {
    let folder = folder()?;
    make(&folder)?;
    tempfile::tempfile_in(&folder).map_err(io_error("write to", &folder))?;
    Ok(folder)
}

/// Makes a folder, with those that it lies in, so that a power cut does not lose it.
fn make(folder: &Path) -> Result<(), JournalError> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("create", folder))?;
    missing.iter().filter_map(|made| made.parent()).try_for_each(sync)
}

/// All journals of this user.
///
/// # Errors
/// Where their folder can't be read.
pub fn all() -> Result<Vec<Found>, JournalError> {
    let folder = folder()?;
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("read", &folder))?,
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.iter().filter(|path| is_stillborn(path)).for_each(|path| drop(fs::remove_file(path)));
    paths.retain(|path| !name(path).starts_with('.') && name(path).ends_with(".json"));
    paths.sort();
    Ok(paths.iter().filter_map(|path| open(path)).collect())
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or(".")
}

/// Whether it was never whole, and who wrote it is gone.
fn is_stillborn(path: &Path) -> bool {
    let writer = name(path).strip_prefix('.').and_then(|name| name.rsplit_once('.')?.1.parse::<u32>().ok());
    writer.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// `None` for one that was closed meanwhile.
pub(crate) fn open(path: &Path) -> Option<Found> {
    try_open(path).transpose().map(|found| found.unwrap_or_else(Found::Unreadable))
}

fn try_open(path: &Path) -> Result<Option<Found>, JournalError> {
    let path = path.to_owned();
    // NFS locks only what may be written to.
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io_error("open", &path))?,
    };
    let locked = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => true,
        Err(Errno::WOULDBLOCK) => false,
        Err(e) => return Err(io_error("lock", &path)(e.into())),
    };
    let text = io::read_to_string(&file).map_err(io_error("read", &path))?;
    // Its place may have another by now.
    if file.metadata().map_err(io_error("read", &path))?.nlink() == 0 {
        return Ok(None);
    }
    let foreign = |why: String| JournalError::Foreign { path: path.clone(), why };
    let entry: Entry = serde_json::from_str(&text).map_err(|e| foreign(e.to_string()))?;
    entry.check().map_err(foreign)?;
    Ok(Some(match locked {
        true => Found::Open(Journal { entry, path, _lock: file }),
        false => Found::Held(entry, path),
    }))
}

/// Refuses containers of this engine that still carry a fault, of a run that died or of one that goes on.
///
/// # Errors
/// [`JournalError::Listed`] or [`JournalError::AtWork`] for the first of them; and where there may be others that can't
/// be read.
pub fn refuse_listed(engine: &Engine, ids: &[&str]) -> Result<(), JournalError> {
    refuse(engine.id(), ids, 0, all()?)
}

/// The same for a container that `run` is about to touch: with its own faults a run gets along, as its plan has them.
pub(crate) fn refuse_others(engine: &Engine, id: &str, run: u32) -> Result<(), JournalError> {
    refuse(engine.id(), &[id], run, all()?)
}

fn refuse(engine: &str, ids: &[&str], run: u32, all: Vec<Found>) -> Result<(), JournalError> {
    for found in all {
        let entry = match &found {
            Found::Open(Journal { entry, .. }) => entry,
            Found::Held(entry, _) if run != 0 && entry.run == run => continue,
            Found::Held(entry, _) => entry,
            Found::Unreadable(_) => return Err(refusal(found)),
        };
        if entry.engine == engine && ids.contains(&entry.subject().id.as_str()) {
            return Err(refusal(found));
        }
    }
    Ok(())
}

/// Why nothing may be done to the container of such a journal.
fn refusal(found: Found) -> JournalError {
    let (held, entry, path) = match found {
        Found::Open(Journal { entry, path, .. }) => (false, entry, path),
        Found::Held(entry, path) => (true, entry, path),
        Found::Unreadable(error) => return error,
    };
    let (name, kind, since) = (entry.subject().name.clone(), entry.kind, entry.since);
    match held {
        true => JournalError::AtWork { name, kind, since, path },
        false => JournalError::Listed { name, kind, since, path },
    }
}

/// The XDG base directory specification: a relative path counts as none.
fn folder() -> Result<PathBuf, JournalError> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Ok(state.ok_or(JournalError::NoPlace)?.join("metawrk/faults"))
}

fn sync(folder: &Path) -> Result<(), JournalError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("write to", folder))
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError::Io { doing, path: path.clone(), source }
}

#[cfg(test)]
mod tests;
