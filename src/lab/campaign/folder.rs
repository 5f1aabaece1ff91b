//! The files of a campaign. Each is written completely or not at all, and the runs themselves are the only state.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::outcome::{self, RunOutcome, RunRecord};
use super::table::format_table;
use crate::input;
use crate::plan::settings::Settings;
use crate::plan::source::{ConfigError, Source};
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::record::folder::{FolderError, create_numbered, sanitize};
use crate::record::{FileError, ResultsFolder};
use crate::report::summary;
use crate::units::Time;
use crate::whole_file;

/// The campaign, with every choice written out.
pub const CAMPAIGN: &str = "campaign.toml";
/// The folder of the results folders.
pub const CELLS: &str = "cells";
/// A row for each run.
pub const TABLE: &str = "cells.csv";
const RECORD: &str = "cell.json";
const SUMMARY: &str = "summary.json";
/// What the name of the folder of a run that did not end begins with.
const UNFINISHED: &str = "unfinished-";
/// The most bytes of a JSON file. A summary has a bin for each second of a day at most.
const MAX_JSON: u64 = 64 << 20;

/// Why a campaign cannot be created, read or continued.
#[derive(Debug, thiserror::Error)]
pub enum CampaignFolderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot write {CAMPAIGN}: {0}")]
    Toml(#[from] toml::ser::Error),
    #[error("cannot write a file of the campaign as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot write {TABLE}: {0}")]
    Table(#[from] csv::Error),
    #[error("{} contains no {CAMPAIGN}: it is not the folder of a campaign", .0.display())]
    NoCampaign(PathBuf),
    #[error("another process runs the campaign in {}. Wait for its end, or interrupt it", .0.display())]
    InUse(PathBuf),
}

/// `campaign.toml`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CampaignFile {
    /// The command of the laboratory: `certify`, `search outage`.
    pub command: String,
    /// What the command asks, beyond the experiment.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub question: toml::Table,
    /// The time without load between runs, if it is not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shed: Option<Time>,
    /// The experiment of which the runs are variants.
    pub experiment: Settings,
}

/// The folder of a campaign. Only one process at a time may have it.
#[derive(Debug)]
pub struct CampaignFolder {
    path: PathBuf,
    _lock: File,
}

impl CampaignFolder {
    /// Creates the folder `<name>-<YYYYmmdd-HHMMSS>` in `out`, and `out` if it does not exist.
    ///
    /// # Errors
    /// [`CampaignFolderError`] if something cannot be written.
    pub fn create(
        out: &Path,
        name: &str,
        now: jiff::civil::DateTime,
        campaign: &CampaignFile,
    ) -> Result<CampaignFolder, CampaignFolderError> {
        fs::create_dir_all(out).map_err(FileError::io(out, "create"))?;
        let path = create_numbered(out, &format!("{}-{}", sanitize(name), now.strftime("%Y%m%d-%H%M%S")))?;
        let folder = CampaignFolder::lock(&path)?;
        folder.write_campaign(campaign).inspect_err(|_| {
            // If this fails, an empty folder stays.
            let _ = fs::remove_dir_all(&path);
        })?;
        Ok(folder)
    }

    /// Opens the folder of a campaign, to resume it, and reads its plan. Results folders of runs that did not end are
    /// renamed.
    ///
    /// # Errors
    /// [`CampaignFolderError`] if it is not such a folder, or another process has it.
    pub fn open(path: &Path) -> Result<(CampaignFolder, CampaignFile, ExperimentPlan), CampaignFolderError> {
        let file = path.join(CAMPAIGN);
        if file.symlink_metadata().is_err() {
            return Err(CampaignFolderError::NoCampaign(path.to_owned()));
        }
        let folder = CampaignFolder::lock(path)?;
        whole_file::remove_all_leftovers(path);
        let text = input::read_named_text(&file, input::MAX_EXPERIMENT).map_err(FileError::io(&file, "read"))?;
        let origin = file.display().to_string();
        let source = Source { origin: &origin, text: &text };
        let campaign: CampaignFile = source.parse()?;
        let invalid = |InvalidSetting { key, why }| source.error(&format!("experiment.{key}"), why);
        let plan = ExperimentPlan::resolve(campaign.experiment.clone()).map_err(invalid)?;
        folder.put_unfinished_aside()?;
        Ok((folder, campaign, plan))
    }

    fn write_campaign(&self, campaign: &CampaignFile) -> Result<(), CampaignFolderError> {
        let cells = self.path.join(CELLS);
        fs::create_dir(&cells).map_err(FileError::io(&cells, "create"))?;
        self.update(campaign)
    }

    /// Writes `campaign.toml` again.
    ///
    /// # Errors
    /// [`CampaignFolderError`] if it cannot be written. The file is then as it was.
    pub fn update(&self, campaign: &CampaignFile) -> Result<(), CampaignFolderError> {
        Ok(self.write(CAMPAIGN, toml::to_string(campaign)?.as_bytes())?)
    }

    fn lock(path: &Path) -> Result<CampaignFolder, CampaignFolderError> {
        let folder = File::open(path).map_err(FileError::io(path, "read"))?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(CampaignFolderError::InUse(path.to_owned())),
            // A file system without locks only lacks the protection.
            Ok(()) | Err(_) => Ok(CampaignFolder { path: path.to_owned(), _lock: folder }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the results folder of a run.
    ///
    /// # Errors
    /// [`FolderError`] if it cannot be created.
    pub fn create_run(&self, cell: &Cell) -> Result<ResultsFolder, FolderError> {
        ResultsFolder::create_in(&self.path.join(CELLS), &cell.folder_name())
    }

    /// Marks the results in `run` as complete.
    ///
    /// # Errors
    /// [`CampaignFolderError`] if the mark cannot be written.
    pub fn complete(&self, run: &Path, record: &RunRecord) -> Result<(), CampaignFolderError> {
        let path = run.join(RECORD);
        let json = serde_json::to_string_pretty(record)? + "\n";
        Ok(whole_file::replace(&path, json.as_bytes()).map_err(FileError::io(&path, "write"))?)
    }

    /// The complete runs, in their order. `base` is the campaign's plan.
    ///
    /// # Errors
    /// [`FileError`] for a file that cannot be read.
    pub fn read_runs(&self, base: &ExperimentPlan) -> Result<Vec<RunOutcome>, FileError> {
        let complete = self.list_runs()?.into_iter().filter(|path| path.join(RECORD).exists());
        let mut runs = complete.map(|path| self.read_run(base, &path)).collect::<Result<Vec<_>, _>>()?;
        runs.sort_by_key(|run| run.record.run);
        Ok(runs)
    }

    /// The complete run in the results folder `path`.
    ///
    /// # Errors
    /// [`FileError`] for a file that cannot be read.
    pub fn read_run(&self, base: &ExperimentPlan, path: &Path) -> Result<RunOutcome, FileError> {
        let name = path.file_name().unwrap_or_default().display().to_string();
        let record = read_json(&path.join(RECORD), outcome::SCHEMA)?;
        let summary = read_json(&path.join(SUMMARY), summary::SCHEMA)?;
        Ok(RunOutcome::new(base, record, name, summary))
    }

    /// Writes `cells.csv`.
    ///
    /// # Errors
    /// [`CampaignFolderError`] if it cannot be written.
    pub fn write_table(&self, runs: &[RunOutcome]) -> Result<(), CampaignFolderError> {
        Ok(self.write(TABLE, &format_table(runs)?)?)
    }

    /// Writes a file of the campaign.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written. What was there before is then unchanged.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.path.join(name);
        whole_file::replace(&path, bytes).map_err(FileError::io(&path, "write"))
    }

    /// All results folders, without those that were put aside.
    fn list_runs(&self) -> Result<Vec<PathBuf>, FileError> {
        let cells = self.path.join(CELLS);
        let mut runs = Vec::new();
        for entry in fs::read_dir(&cells).map_err(FileError::io(&cells, "read"))? {
            let entry = entry.map_err(FileError::io(&cells, "read"))?;
            let name = entry.file_name().display().to_string();
            if !name.starts_with(UNFINISHED) && !name.starts_with('.') {
                runs.push(entry.path());
            }
        }
        runs.sort();
        Ok(runs)
    }

    /// Renames the results folders of runs that did not end, so that their cells can run again.
    fn put_unfinished_aside(&self) -> Result<(), FileError> {
        let cells = self.path.join(CELLS);
        for path in self.list_runs()? {
            if !path.join(RECORD).exists() {
                let name = path.file_name().unwrap_or_default().display();
                let aside = create_numbered(&cells, &format!("{UNFINISHED}{name}"))?;
                fs::rename(&path, &aside).map_err(FileError::io(&path, "rename"))?;
            }
        }
        Ok(())
    }
}

/// Reads a JSON file whose `schema` is at most `known`.
fn read_json<T: DeserializeOwned>(path: &Path, known: u32) -> Result<T, FileError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    const REMEDY: &str = "Move its folder away, and resume the campaign: its run is made again";
    let bytes = match input::read_regular(path, MAX_JSON) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(FileError::invalid(path, error, REMEDY)),
        Err(error) => return Err(FileError::io(path, "read")(error)),
    };
    match serde_json::from_slice(&bytes) {
        Ok(Versioned { schema }) if schema > known => {
            let why = format!("its schema is {schema}, and this program knows schemas up to {known}");
            Err(FileError::invalid(path, why, "Use the version of metawrk that wrote it, or a newer one"))
        }
        _ => serde_json::from_slice(&bytes).map_err(|error| FileError::invalid(path, error, REMEDY)),
    }
}
