//! The results folder of a run: `results/<name>-<time>/`. The link `results/latest` points to the newest.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::lines::{self, EventLog, SampleLog};
use super::parquet::{self, ParquetWriter};
use super::rows::{RowsReader, RowsWriter};
use super::{Event, FileError, RequestRecord, Sample};

pub const PLAN: &str = "experiment.toml";
pub const REQUESTS: &str = "requests.parquet";
pub const ROWS: &str = "requests.rows";
pub const SAMPLES: &str = "samples.csv";
pub const EVENTS: &str = "events.jsonl";

/// Why a results folder cannot be created or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} contains no {missing}: {remedy}", dir.display())]
    Missing { dir: PathBuf, missing: &'static str, remedy: &'static str },
    #[error("cannot link {} to this run: {source}. If a file or folder has that name, move it away", path.display())]
    Latest { path: PathBuf, source: io::Error },
}

/// The results folder of the current run.
#[derive(Clone, Debug)]
pub struct ResultsFolder {
    path: PathBuf,
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
        let mut leaf = stem.clone();
        for n in 2u32.. {
            let path = results.join(&leaf);
            match fs::create_dir(&path) {
                Ok(()) => break,
                Err(e) if e.kind() == ErrorKind::AlreadyExists => leaf = format!("{stem}-{n}"),
                Err(e) => return Err(FileError::io(&path, "create")(e).into()),
            }
        }
        Ok(ResultsFolder { path: results.join(leaf) })
    }

    /// Points `results/latest` to this folder.
    ///
    /// # Errors
    /// [`FolderError::Latest`].
    pub fn make_latest(&self) -> Result<(), FolderError> {
        match (self.path.parent(), self.path.file_name()) {
            (Some(results), Some(leaf)) => point_latest(results, leaf),
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
        fs::write(&path, toml).map_err(FileError::io(&path, "write"))
    }

    /// Creates `requests.rows`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create_rows(&self) -> Result<RowsWriter, FileError> {
        RowsWriter::create(&self.path.join(ROWS))
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

    /// Converts `requests.rows` to `requests.parquet`, and removes it. The writer of the rows must be finished.
    ///
    /// # Errors
    /// [`FileError`]. The rows then still exist.
    pub fn write_parquet(&self) -> Result<(), FileError> {
        convert(&self.path)
    }
}

/// The data of a results folder.
#[derive(Clone, Debug)]
pub struct RunData {
    /// The text of `experiment.toml`.
    pub plan: String,
    /// All attempts, in order of `due`, then `request`, then `attempt`.
    pub requests: Vec<RequestRecord>,
    pub samples: Vec<Sample>,
    pub events: Vec<Event>,
}

/// Reads a results folder. If a crash left `requests.rows`, it is converted to `requests.parquet` first.
///
/// # Errors
/// [`FolderError::Missing`] for a missing file, [`FolderError::File`] for one that cannot be read.
pub fn read_folder(dir: &Path) -> Result<RunData, FolderError> {
    let missing = |missing, remedy| FolderError::Missing { dir: dir.to_owned(), missing, remedy };
    let plan = dir.join(PLAN);
    if !plan.exists() {
        return Err(missing(PLAN, "it is not a results folder. Choose one, such as results/latest"));
    }
    let plan = fs::read_to_string(&plan).map_err(FileError::io(&plan, "read"))?;
    if dir.join(ROWS).exists() {
        convert(dir)?;
    }
    if !dir.join(REQUESTS).exists() {
        return Err(missing("requests.parquet or requests.rows", "the run ended before its load began. Run it again"));
    }
    if !dir.join(EVENTS).exists() {
        return Err(missing(EVENTS, "without it the time of the fault is unknown. Run the experiment again"));
    }
    let mut requests = parquet::read(&dir.join(REQUESTS))?;
    requests.sort_unstable_by_key(|r| (r.due, r.request, r.attempt));
    let samples = dir.join(SAMPLES);
    // A run without monitors writes no samples.
    let samples = if samples.exists() { lines::read_samples(&samples)? } else { Vec::new() };
    Ok(RunData { plan, requests, samples, events: lines::read_events(&dir.join(EVENTS))? })
}

/// Converts `requests.rows` to `requests.parquet`. The file is written under another name and then renamed, so that
/// `requests.parquet` is always complete.
fn convert(dir: &Path) -> Result<(), FileError> {
    let (rows, part, whole) = (dir.join(ROWS), dir.join("requests.parquet.part"), dir.join(REQUESTS));
    let written = RowsReader::open(&rows)
        .and_then(|rows| parquet::convert(rows, ParquetWriter::create(&part)?))
        .and_then(|()| fs::rename(&part, &whole).map_err(FileError::io(&whole, "write")));
    if written.is_err() {
        // An incomplete file is useless, and the disk may be full.
        let _ = fs::remove_file(&part);
    }
    written?;
    fs::remove_file(&rows).map_err(FileError::io(&rows, "remove"))
}

/// Makes a path component of a name: at most 64 letters, digits, `-`, `_` and `.`, without a dot at the start.
fn sanitize(name: &str) -> String {
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
