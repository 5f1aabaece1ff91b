//! The folder that a run leaves: `results/<name>-<time>/`, and `results/latest` pointing at the newest.

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

/// Why a results folder can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} holds no {missing}: {todo}", dir.display())]
    Missing { dir: PathBuf, missing: &'static str, todo: &'static str },
    #[error("cannot point {} at this run: {source}; if a file or folder of that name is there, move it away", path.display())]
    Latest { path: PathBuf, source: io::Error },
}

/// A results folder being filled.
#[derive(Clone, Debug)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    /// A fresh folder `<name>-<YYYYmmdd-HHMMSS>` in `results` (itself made where it is missing), with `-2`, `-3`, ...
    /// behind it if that is taken. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`FolderError::File`] if it can't be made, [`FolderError::Latest`] if `latest` could not be pointed at it.
    pub fn create(results: &Path, name: &str, now: jiff::civil::DateTime) -> Result<ResultsFolder, FolderError> {
        fs::create_dir_all(results).map_err(FileError::io(results, "create"))?;
        let latest = results.join("latest");
        if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
            return Err(FolderError::Latest { path: latest, source: io::Error::other("it is no link") });
        }
        let stem = format!("{}-{}", sanitized(name), now.strftime("%Y%m%d-%H%M%S"));
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

    /// Points `results/latest` at this folder.
    ///
    /// # Errors
    /// [`FolderError::Latest`].
    pub fn make_latest(&self) -> Result<(), FolderError> {
        match (self.path.parent(), self.path.file_name()) {
            (Some(results), Some(leaf)) => point_latest(results, leaf),
            // Every folder was made in another.
            _ => Ok(()),
        }
    }

    /// Takes the folder away again, for a run that never began.
    pub fn discard(self) {
        // What can't be removed is left for the user to see.
        let _ = fs::remove_dir_all(&self.path);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the resolved plan: what replays the run.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn write_plan(&self, toml: &str) -> Result<(), FileError> {
        let path = self.path.join(PLAN);
        fs::write(&path, toml).map_err(FileError::io(&path, "write"))
    }

    /// # Errors
    /// [`FileError::Io`].
    pub fn create_rows(&self) -> Result<RowsWriter, FileError> {
        RowsWriter::create(&self.path.join(ROWS))
    }

    /// # Errors
    /// [`FileError::Io`].
    pub fn open_events(&self) -> Result<EventLog, FileError> {
        EventLog::open(&self.path.join(EVENTS))
    }

    /// # Errors
    /// [`FileError::Io`].
    pub fn open_samples(&self) -> Result<SampleLog, FileError> {
        SampleLog::open(&self.path.join(SAMPLES))
    }

    /// Turns the rows into `requests.parquet`, and takes them away once that is whole. Call it when the writer is done.
    ///
    /// # Errors
    /// [`FileError`]; the rows are then still there.
    pub fn write_parquet(&self) -> Result<(), FileError> {
        convert(&self.path)
    }
}

/// What a run left, read back. The plan is its text: what it means is for the floors above.
#[derive(Clone, Debug)]
pub struct RunData {
    pub plan: String,
    /// Every attempt, in order of `due`, then `request`, then `attempt`.
    pub requests: Vec<RequestRecord>,
    pub samples: Vec<Sample>,
    pub events: Vec<Event>,
}

/// Reads a results folder. Rows that a crash left are first turned into `requests.parquet`.
///
/// # Errors
/// [`FolderError::Missing`] names what is not there and what to do, [`FolderError::File`] what does not read.
pub fn read_folder(dir: &Path) -> Result<RunData, FolderError> {
    let missing = |missing, todo| FolderError::Missing { dir: dir.to_owned(), missing, todo };
    let plan = dir.join(PLAN);
    if !plan.exists() {
        return Err(missing(PLAN, "it is no results folder; name one, such as results/latest"));
    }
    let plan = fs::read_to_string(&plan).map_err(FileError::io(&plan, "read"))?;
    if dir.join(ROWS).exists() {
        convert(dir)?;
    }
    if !dir.join(REQUESTS).exists() {
        return Err(missing(
            "requests.parquet (nor requests.rows)",
            "the run ended before its load began; run it again",
        ));
    }
    if !dir.join(EVENTS).exists() {
        return Err(missing(EVENTS, "without it nothing tells when the fault was; run the experiment again"));
    }
    let mut requests = parquet::read(&dir.join(REQUESTS))?;
    requests.sort_unstable_by_key(|r| (r.due, r.request, r.attempt));
    let samples = dir.join(SAMPLES);
    // A plan without monitors leaves none.
    let samples = if samples.exists() { lines::read_samples(&samples)? } else { Vec::new() };
    Ok(RunData { plan, requests, samples, events: lines::read_events(&dir.join(EVENTS))? })
}

/// `requests.rows` to `requests.parquet`, through a file of another name, so that one of that name is always whole.
fn convert(dir: &Path) -> Result<(), FileError> {
    let (rows, part, whole) = (dir.join(ROWS), dir.join("requests.parquet.part"), dir.join(REQUESTS));
    let written = RowsReader::open(&rows)
        .and_then(|rows| parquet::convert(rows, ParquetWriter::create(&part)?))
        .and_then(|()| fs::rename(&part, &whole).map_err(FileError::io(&whole, "write")));
    if written.is_err() {
        // Half a file is of no use, and the disk may be full of it.
        let _ = fs::remove_file(&part);
    }
    written?;
    fs::remove_file(&rows).map_err(FileError::io(&rows, "remove"))
}

/// A name that is one plain path component: letters, digits, `-`, `_` and `.`, not beginning with a dot, 64 at most.
fn sanitized(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().map(plain).take(64).collect();
    if name.is_empty() { "experiment".to_owned() } else { name }
}

/// Replaces `results/latest` in one step: a link made under another name, then renamed over it.
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
