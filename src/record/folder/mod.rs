//! The results folder of a run: `results/<name>-<time>/`. The link `results/latest` points to the newest.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::lines::{self, EventLog, SampleLog};
use super::parquet::{self, ParquetWriter};
use super::rows::RowsReader;
use super::{Event, FileError, Sample};
use crate::{input, whole_file};
pub use checksums::{CHECKSUMS, Checksums};
pub use digest_file::{read_digest, write_digest, write_latencies};
pub use lock::ReportLock;
use lock::RunLock;
use record_files::names_in;
pub use record_files::{REQUESTS, ROWS, RecordParts, RunRowsWriter};
pub use request_rows::{RequestGroup, RequestPart, RequestRows};

mod checksums;
mod digest_file;
mod lock;
mod record_files;
mod request_rows;

pub const PLAN: &str = "experiment.toml";
pub const SAMPLES: &str = "samples.csv";
pub const EVENTS: &str = "events.jsonl";
pub const DIGEST: &str = "digest.jsonl";
pub const LATENCIES: &str = "latencies.txt";

/// The most bytes of `experiment.toml`.
pub const MAX_PLAN: u64 = input::MAX_EXPERIMENT;

/// Why a results folder cannot be created or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} contains no {missing}: {remedy}", dir.display())]
    Missing { dir: PathBuf, missing: String, remedy: &'static str },
    #[error("cannot link {} to this run: {source}. If a file or folder has that name, move it away", path.display())]
    Latest { path: PathBuf, source: io::Error },
}

/// The results folder of the current run. It is locked until this is dropped.
#[derive(Debug)]
pub struct ResultsFolder {
    path: PathBuf,
    lock: RunLock,
    /// `latest` points to it while it is the newest.
    has_link: bool,
}

impl ResultsFolder {
    /// Creates the folder `<name>-<YYYYmmdd-HHMMSS>` in `results`, and `results` if it does not exist. If the name is
    /// taken, `-2`, `-3`, ... is appended. Nothing is overwritten.
    ///
    /// # Errors
    /// [`FolderError::File`] if it cannot be created, [`FolderError::Latest`] if `latest` exists and is not a link.
    pub fn create(results: &Path, name: &str, now: jiff::civil::DateTime) -> Result<ResultsFolder, FolderError> {
        fs::create_dir_all(results).map_err(FileError::io(results, "create"))?;
        let latest = results.join("latest");
        if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
            return Err(FolderError::Latest { path: latest, source: io::Error::other("it is not a link") });
        }
        let stem = format!("{}-{}", sanitize(name), now.strftime("%Y%m%d-%H%M%S"));
        ResultsFolder::new(results, &stem, true)
    }

    /// Creates the folder `stem` in `folder`, or `stem-2`, `stem-3`, ... if the name is taken. No link `latest` points to
    /// it. `folder` must exist.
    ///
    /// # Errors
    /// [`FolderError::File`] if it cannot be created.
    pub fn create_in(folder: &Path, stem: &str) -> Result<ResultsFolder, FolderError> {
        ResultsFolder::new(folder, &sanitize(stem), false)
    }

    fn new(results: &Path, stem: &str, has_link: bool) -> Result<ResultsFolder, FolderError> {
        let path = create_numbered(results, stem)?;
        Ok(ResultsFolder { lock: RunLock::new(&path)?, path, has_link })
    }

    /// What to say where the file system has no locks.
    pub fn lock_problem(&self) -> Option<String> {
        self.lock.problem().map(|error| lock::describe(&self.path, error))
    }

    /// The right to write the report of the run that has ended. Waits for other reports on the folder.
    ///
    /// # Errors
    /// [`FolderError`] if the plan is missing, or cannot be opened.
    pub fn lock_report(&self) -> Result<ReportLock, FolderError> {
        ReportLock::take_turn(&self.path, || {})
    }

    /// Points `results/latest` to this folder, unless it is one of a campaign.
    ///
    /// # Errors
    /// [`FolderError::Latest`].
    pub fn make_latest(&self) -> Result<(), FolderError> {
        match (self.path.parent(), self.path.file_name()) {
            (Some(results), Some(leaf)) if self.has_link => point_latest(results, leaf),
            // Every folder has a parent and a name.
            _ => Ok(()),
        }
    }

    /// Removes the folder of a run that never began.
    pub fn discard(self) {
        // If this fails, the folder stays.
        let _ = fs::remove_dir_all(&self.path);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the resolved plan, with which the run can be repeated.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn write_plan(&self, toml: &str) -> Result<(), FileError> {
        let path = self.path.join(PLAN);
        whole_file::replace(&path, toml.as_bytes()).map_err(FileError::io(&path, "write"))?;
        checksums::add(&self.path, &[PLAN])
    }

    /// Creates `requests.rows`, or one for each of several generators.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create_rows(&self, divided: Option<RecordParts>) -> Result<RunRowsWriter, FileError> {
        RunRowsWriter::create(&self.path, divided)
    }

    /// Opens or creates `events.jsonl`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn open_events(&self) -> Result<EventLog, FileError> {
        EventLog::open(&self.path.join(EVENTS))
    }

    /// Opens or creates `samples.csv`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn open_samples(&self) -> Result<SampleLog, FileError> {
        SampleLog::open(&self.path.join(SAMPLES))
    }

    /// Converts each `requests.rows` to `requests.parquet`, and removes it. The writer of the rows must be finished.
    ///
    /// # Errors
    /// [`FileError`]. The rows then still exist.
    pub fn write_parquet(&self) -> Result<(), FileError> {
        convert(&self.path)
    }
}

/// Creates the folder `stem` in `parent`, or `stem-2`, `stem-3`, ... if the name is taken.
///
/// # Errors
/// [`FileError::Io`] if it cannot be created.
pub(crate) fn create_numbered(parent: &Path, stem: &str) -> Result<PathBuf, FileError> {
    let mut path = parent.join(stem);
    for n in 2u32.. {
        match fs::create_dir(&path) {
            Ok(()) => break,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => path = parent.join(format!("{stem}-{n}")),
            Err(e) => return Err(FileError::io(&path, "create")(e)),
        }
    }
    Ok(path)
}

/// The data of a results folder.
#[derive(Clone, Debug)]
pub struct RunData {
    /// The text of `experiment.toml`.
    pub plan: String,
    pub requests: RequestRows,
    pub samples: Vec<Sample>,
    pub events: Vec<Event>,
    /// The checksums of the files; empty while the run goes on.
    pub checksums: Checksums,
}

/// Reads a results folder whose report may be written. If a crash left `requests.rows`, it is converted to
/// `requests.parquet` first.
///
/// # Errors
/// [`FolderError::Missing`] for a missing file, [`FolderError::File`] for one that cannot be read, or that has changed
/// since it was written.
pub fn read_folder(dir: &Path, _lock: &ReportLock) -> Result<RunData, FolderError> {
    let has_rows = !find_rows(dir).is_empty();
    check_files(dir, has_rows)?;
    if has_rows {
        checksums::verify(dir, false)?;
        convert(dir)?;
    }
    let checksums = checksums::verify(dir, true)?;
    read_texts(dir, RequestRows::Parquet(paths_of(dir, REQUESTS)), checksums)
}

/// The paths of the files `name` of all parts.
fn paths_of(dir: &Path, name: &str) -> Vec<PathBuf> {
    names_in(dir, name).iter().map(|name| dir.join(name)).collect()
}

/// The raw rows that are not converted yet.
fn find_rows(dir: &Path) -> Vec<PathBuf> {
    paths_of(dir, ROWS).into_iter().filter(|path| exists(path)).collect()
}

/// Reads the results folder of a run in progress, and changes nothing. The last rows and lines may be missing.
///
/// # Errors
/// Those of [`read_folder`].
pub fn read_running(dir: &Path) -> Result<RunData, FolderError> {
    let rows = paths_of(dir, ROWS);
    let requests = match rows.iter().try_for_each(|path| RowsReader::open(path).map(drop)) {
        Ok(()) => RequestRows::Raw(rows),
        // The run has just converted them.
        Err(_) if has_requests(dir) => RequestRows::Parquet(paths_of(dir, REQUESTS)),
        Err(error) => return Err(error.into()),
    };
    check_files(dir, true)?;
    read_texts(dir, requests, Checksums::new())
}

/// Whether all parts have their `requests.parquet`.
fn has_requests(dir: &Path) -> bool {
    paths_of(dir, REQUESTS).iter().all(|path| exists(path))
}

fn check_plan(dir: &Path) -> Result<(), FolderError> {
    let remedy = "it is not a results folder. Choose one, such as results/latest";
    if exists(&dir.join(PLAN)) {
        return Ok(());
    }
    Err(FolderError::Missing { dir: dir.to_owned(), missing: PLAN.to_owned(), remedy })
}

fn check_files(dir: &Path, has_rows: bool) -> Result<(), FolderError> {
    check_plan(dir)?;
    let missing = |missing, remedy| Err(FolderError::Missing { dir: dir.to_owned(), missing, remedy });
    if !has_rows && let Some(name) = names_in(dir, REQUESTS).into_iter().find(|name| !exists(&dir.join(name))) {
        return match name == REQUESTS {
            true => missing(format!("{REQUESTS} or {ROWS}"), "the run ended before its load began. Run it again"),
            false => missing(name, "take the folder from a copy, or run the experiment again"),
        };
    }
    if !exists(&dir.join(EVENTS)) {
        return missing(EVENTS.to_owned(), "without it the time of the fault is unknown. Run the experiment again");
    }
    Ok(())
}

/// Whether there is anything at `path`, if only a broken link.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn read_texts(dir: &Path, requests: RequestRows, checksums: Checksums) -> Result<RunData, FolderError> {
    let (plan, samples) = (dir.join(PLAN), dir.join(SAMPLES));
    let text = input::read_regular(&plan, MAX_PLAN).map_err(FileError::io(&plan, "read"))?;
    let not_text = |_| FileError::invalid(&plan, "it is not UTF-8 text", "Run the experiment again");
    let plan = String::from_utf8(text).map_err(not_text)?;
    // A run without monitors writes no samples.
    let samples = if exists(&samples) { lines::read_samples(&samples)? } else { Vec::new() };
    Ok(RunData { plan, requests, samples, events: lines::read_events(&dir.join(EVENTS))?, checksums })
}

/// Converts each `requests.rows` to `requests.parquet`, and adds the checksums. The rows are removed last, so that the
/// conversion can be repeated after a crash.
fn convert(dir: &Path) -> Result<(), FileError> {
    let all_rows = find_rows(dir);
    for rows in &all_rows {
        let whole = rows.with_file_name(REQUESTS);
        whole_file::remove_leftovers(&whole);
        let reader = RowsReader::open(rows)?;
        let io = FileError::io(&whole, "write");
        let part = whole_file::create_beside(&whole).map_err(&io)?;
        parquet::convert(reader, ParquetWriter::over(part.as_file().try_clone().map_err(&io)?, &whole)?)?;
        part.persist(&whole).map_err(|error| io(error.error))?;
    }
    checksums::add_data(dir)?;
    all_rows.iter().try_for_each(|rows| fs::remove_file(rows).map_err(FileError::io(rows, "remove")))
}

/// Makes a path component of a name: at most 64 letters, digits, `-`, `_` and `.`, without a dot at the start.
pub(crate) fn sanitize(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().map(plain).take(64).collect();
    if name.is_empty() { "experiment".to_owned() } else { name }
}

/// Replaces `results/latest` atomically: creates a link under another name, and renames it.
fn point_latest(results: &Path, leaf: &OsStr) -> Result<(), FolderError> {
    let path = results.join("latest");
    let fresh = results.join(format!(".latest-{}", leaf.display()));
    std::os::unix::fs::symlink(leaf, &fresh).and_then(|()| fs::rename(&fresh, &path)).map_err(|source| {
        let _ = fs::remove_file(&fresh);
        FolderError::Latest { path, source }
    })
}

#[cfg(test)]
mod tests;
