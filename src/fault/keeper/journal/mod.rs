//! What undoing each fault needs that is on now, on disk: a file a fault, under `$XDG_STATE_HOME/metawrk/faults`. It is
//! written before anything is changed, and deleted once all is as before. The process that holds its lock is at work on
//! the fault.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::docker::Engine;
use crate::fault::{FaultError, Machine, Target, UndoRecord};
use crate::input;

/// One fault that is, or may be, on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    version: u32,
    /// The address of the engine of a fault on a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The id of that engine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// Wall time, RFC 3339.
    pub since: String,
    pub kind: String,
    /// The process of the run that wanted it; 0 where that is not known.
    #[serde(default)]
    pub run: u32,
    pub undo: UndoRecord,
}

const VERSION: u32 = 1;

/// The most bytes of a journal.
const MAX_BYTES: u64 = 1 << 20;

/// Why a journal cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "cannot keep a journal of faults: neither XDG_STATE_HOME nor HOME is set. Set XDG_STATE_HOME to a folder of yours"
    )]
    NoPlace,
    #[error(
        "cannot {doing} {}: {source}. A fault needs a journal of how to undo it; XDG_STATE_HOME sets its place",
        path.display()
    )]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot read the journal {}: {why}. Delete it if no fault is left on your system", path.display())]
    Foreign { path: PathBuf, why: String },
    #[error(
        "cannot trust the journals of faults: {} {why}. Only its owner may be able to write there; correct that \
         (chown, chmod go-w), or delete it if no fault is left on your system",
        path.display()
    )]
    Untrusted { path: PathBuf, why: String },
    #[error("{target} still has a {kind} fault of {since} ({}). Run `metawrk restore` first", path.display())]
    Listed { target: String, kind: String, since: String, path: PathBuf },
    #[error(
        "another run, or its keeper, is at work on {target}, with a {kind} fault of {since} ({}). Wait for its end, or \
         end it",
        path.display()
    )]
    AtWork { target: String, kind: String, since: String, path: PathBuf },
}

impl Entry {
    pub(crate) fn new(machine: &Machine, kind: &str, run: u32, undo: UndoRecord) -> Entry {
        let engine = machine.engine.as_ref();
        Entry {
            version: VERSION,
            host: engine.map(|engine| engine.host().to_owned()),
            engine: engine.map(|engine| engine.id().to_owned()).unwrap_or_default(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            kind: kind.to_owned(),
            run,
            undo,
        }
    }

    pub fn target(&self) -> Target {
        self.undo.target()
    }

    /// Whether it is about this target, of the engine with this id.
    fn is_about(&self, engine: &str, target: &Target) -> bool {
        match (self.target(), target) {
            (Target::Container(own), Target::Container(other)) => self.engine == engine && own.id == other.id,
            (Target::Process(own), Target::Process(other)) => own.is_same(other),
            (Target::Command(own), Target::Command(other)) => own == *other,
            _ => false,
        }
    }

    /// By engine (or run of the machine), target and kind: two journals cannot be about the same.
    fn file_name(&self) -> String {
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>();
        let (target, engine) = (self.target(), &self.engine);
        let place = if let Target::Process(process) = &target { &process.boot_id } else { engine };
        format!("{}-{}-{}.json", plain(place), plain(&target.id()), self.kind)
    }

    fn check(&self) -> Result<(), String> {
        match self.version == VERSION {
            false => Err(format!("it is of version {}, and this program reads version {VERSION}", self.version)),
            true => self.undo.check(),
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
    /// Writes `entry` so that a power cut does not lose it.
    ///
    /// # Errors
    /// [`JournalError::Listed`] or [`JournalError::AtWork`] where the target has such a fault already.
    pub fn write(entry: Entry) -> Result<Journal, JournalError> {
        let folder = provide()?;
        let io = |doing, path: &Path| io_error(doing, path);
        let path = folder.join(entry.file_name());
        // Readers ignore such a name: it is linked to its own once it is whole. Created anew, so never through a link.
        let (start, end) = (format!(".{}.", entry.file_name()), format!(".{}", std::process::id()));
        let partial = tempfile::Builder::new().prefix(&start).suffix(&end).tempfile_in(&folder);
        let (mut file, partial) = partial.map_err(io("write to", &folder))?.into_parts();
        let written = (|| {
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            file.write_all(&serde_json::to_vec_pretty(&entry)?)?;
            file.sync_all()?;
            // Unlike renaming this fails where there is a journal already.
            fs::hard_link(&partial, &path)
        })();
        // A leftover is deleted by the next reader.
        drop(partial);
        written.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => open(&path).map_or_else(|| io("write", &path)(e), refusal),
            _ => io("write", &path)(e),
        })?;
        sync(&folder)?;
        Ok(Journal { entry, path, _lock: file })
    }

    /// Deletes it: all is as before.
    ///
    /// # Errors
    /// Where it cannot be deleted.
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

/// A journal as found on disk.
#[derive(Debug)]
pub enum FoundJournal {
    /// No process is at work on it; now this one is.
    Open(Journal),
    /// A run, a keeper or another `restore` is at work on it.
    Held(Entry, PathBuf),
    Unreadable(JournalError),
}

/// Makes the folder of journals, checks that it can be written to, and gives its path. It is called before any load,
/// since a fault without a journal is refused.
///
/// # Errors
/// Where there can be no such folder.
pub fn provide() -> Result<PathBuf, JournalError> {
    let folder = folder()?;
    make(&folder)?;
    check_owner(&folder, &fs::metadata(&folder).map_err(io_error("read", &folder))?)?;
    tempfile::tempfile_in(&folder).map_err(io_error("write to", &folder))?;
    Ok(folder)
}

/// Makes a folder and its parents, so that a power cut does not lose them.
fn make(folder: &Path) -> Result<(), JournalError> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("create", folder))?;
    missing.iter().filter_map(|made| made.parent()).try_for_each(sync)
}

/// All journals of this user.
///
/// # Errors
/// Where their folder cannot be read.
pub fn all() -> Result<Vec<FoundJournal>, JournalError> {
    let folder = folder()?;
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("read", &folder))?,
    };
    check_owner(&folder, &fs::metadata(&folder).map_err(io_error("read", &folder))?)?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.iter().filter(|path| is_abandoned(path)).for_each(|path| drop(fs::remove_file(path)));
    paths.retain(|path| !name(path).starts_with('.') && name(path).ends_with(".json"));
    paths.sort();
    Ok(paths.iter().filter_map(|path| open(path)).collect())
}

/// A journal says what to change on this system with the rights of this process, so nobody else may write it.
fn check_owner(path: &Path, found: &fs::Metadata) -> Result<(), JournalError> {
    let (owner, own) = (found.uid(), rustix::process::geteuid().as_raw());
    let untrusted = |why| Err(JournalError::Untrusted { path: path.to_owned(), why });
    match (owner == own, found.mode() & 0o022) {
        (false, _) => untrusted(format!("belongs to user {owner}, and this process runs as user {own}")),
        (true, 0) => Ok(()),
        (true, _) => untrusted(format!("can be written to by others (mode {:o})", found.mode() & 0o7777)),
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or(".")
}

/// Whether it was never whole, and its writer is gone.
fn is_abandoned(path: &Path) -> bool {
    let writer = name(path).strip_prefix('.').and_then(|name| name.rsplit_once('.')?.1.parse::<u32>().ok());
    writer.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// `None` for one that was closed meanwhile.
pub(crate) fn open(path: &Path) -> Option<FoundJournal> {
    try_open(path).transpose().map(|found| found.unwrap_or_else(FoundJournal::Unreadable))
}

fn try_open(path: &Path) -> Result<Option<FoundJournal>, JournalError> {
    let path = path.to_owned();
    // NFS locks only what may be written to.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io_error("open", &path))?,
    };
    let file = input::check_regular(file, MAX_BYTES).map_err(io_error("read", &path))?;
    check_owner(&path, &file.metadata().map_err(io_error("read", &path))?)?;
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
        true => FoundJournal::Open(Journal { entry, path, _lock: file }),
        false => FoundJournal::Held(entry, path),
    }))
}

/// Refuses containers of this engine that still have a fault, of a run that died or of one that goes on.
///
/// # Errors
/// [`JournalError::Listed`] or [`JournalError::AtWork`] for the first of them; also where a journal cannot be read, which
/// may be about one of them.
pub fn refuse_listed(engine: &Engine, ids: &[&str]) -> Result<(), JournalError> {
    refuse(0, all()?, |entry| entry.engine == engine.id() && ids.contains(&&*entry.target().id()))
}

/// The same for the target of a fault that is being prepared.
pub(crate) fn refuse_target(machine: &Machine, target: &Target) -> Result<(), FaultError> {
    refuse_others(machine, target, 0).map_err(target.untouched("prepare a fault on"))
}

/// The same for a target that `run` is about to change: its own faults are no obstacle, as its plan orders them.
pub(crate) fn refuse_others(machine: &Machine, target: &Target, run: u32) -> Result<(), JournalError> {
    let engine = machine.engine.as_ref().map_or("", Engine::id);
    refuse(run, all()?, |entry| entry.is_about(engine, target))
}

fn refuse(run: u32, all: Vec<FoundJournal>, is_meant: impl Fn(&Entry) -> bool) -> Result<(), JournalError> {
    for found in all {
        let entry = match &found {
            FoundJournal::Open(Journal { entry, .. }) => entry,
            FoundJournal::Held(entry, _) if run != 0 && entry.run == run => continue,
            FoundJournal::Held(entry, _) => entry,
            FoundJournal::Unreadable(_) => return Err(refusal(found)),
        };
        if is_meant(entry) {
            return Err(refusal(found));
        }
    }
    Ok(())
}

/// Why nothing may be done to the target of such a journal.
fn refusal(found: FoundJournal) -> JournalError {
    let (held, entry, path) = match found {
        FoundJournal::Open(Journal { entry, path, .. }) => (false, entry, path),
        FoundJournal::Held(entry, path) => (true, entry, path),
        FoundJournal::Unreadable(error) => return error,
    };
    let (target, kind, since) = (entry.target().to_string(), entry.kind, entry.since);
    match held {
        true => JournalError::AtWork { target, kind, since, path },
        false => JournalError::Listed { target, kind, since, path },
    }
}

/// The XDG base directory specification: a relative path is ignored.
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
