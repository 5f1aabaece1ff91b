//! Locks on a results folder, so that a report never changes what a run still writes, and two reports do not collide.
//!
//! A run holds a lock on the folder itself, which leaves no file behind. Reports share that lock, and take turns by a lock
//! on the plan. The kernel releases both when their process ends, however it ends. They are advisory: only this program
//! respects them.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{FolderError, MAX_PLAN, PLAN, check_plan};
use crate::input;
use crate::record::FileError;

/// The lock of the run that writes a results folder.
#[derive(Debug)]
pub struct RunLock {
    _folder: File,
    /// Why there is no lock, where the file system has none.
    problem: Option<Errno>,
}

impl RunLock {
    /// Locks the new folder `dir`.
    ///
    /// # Errors
    /// [`FileError::Io`] if it cannot be opened.
    pub(super) fn new(dir: &Path) -> Result<RunLock, FileError> {
        let folder = File::open(dir).map_err(FileError::io(dir, "read"))?;
        let problem = flock(&folder, FlockOperation::LockExclusive).err();
        Ok(RunLock { _folder: folder, problem })
    }

    pub(super) fn problem(&self) -> Option<Errno> {
        self.problem
    }
}

/// The right to write the report of a results folder.
#[derive(Debug)]
pub struct ReportLock {
    _folder: Option<File>,
    _plan: File,
    problem: Option<Errno>,
}

impl ReportLock {
    /// Waits for other reports on `dir`, after a call of `before_waiting`. Returns `None` while a run writes to the folder.
    ///
    /// # Errors
    /// [`FolderError`] if it is not a results folder, or cannot be opened.
    pub fn acquire(dir: &Path, before_waiting: impl FnOnce()) -> Result<Option<ReportLock>, FolderError> {
        check_plan(dir)?;
        let folder = File::open(dir).map_err(FileError::io(dir, "read"))?;
        let problem = match flock(&folder, FlockOperation::NonBlockingLockShared) {
            Ok(()) => None,
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => Some(error),
        };
        let lock = ReportLock::take_turn(dir, before_waiting)?;
        Ok(Some(ReportLock { _folder: Some(folder), problem: lock.problem.or(problem), ..lock }))
    }

    /// Waits for other reports on `dir`, whose run has ended or is this process.
    pub(super) fn take_turn(dir: &Path, before_waiting: impl FnOnce()) -> Result<ReportLock, FolderError> {
        check_plan(dir)?;
        let path = dir.join(PLAN);
        let plan = input::open_regular(&path, MAX_PLAN).map_err(FileError::io(&path, "read"))?;
        let locked = flock(&plan, FlockOperation::NonBlockingLockExclusive).or_else(|error| {
            if error != Errno::WOULDBLOCK {
                return Err(error);
            }
            before_waiting();
            flock(&plan, FlockOperation::LockExclusive)
        });
        Ok(ReportLock { _folder: None, _plan: plan, problem: locked.err() })
    }

    /// What to say where the file system has no locks.
    pub fn problem(&self, dir: &Path) -> Option<String> {
        self.problem.map(|error| describe(dir, error))
    }
}

/// What to say where the file system of `dir` has no locks.
pub(super) fn describe(dir: &Path, error: Errno) -> String {
    format!(
        "cannot lock {}: {}. Do not run `metawrk report` on it while its experiment is running",
        dir.display(),
        io::Error::from(error)
    )
}
