//! The records of a load for its figures.

use std::path::Path;

use super::figures::load_frame;
use super::load_totals::LoadTotals;
use crate::record::digest::Digest;
use crate::record::rows::RowsWriter;
use crate::record::{FileError, OutputFile, TempRows};

/// Further threads have no figures, because a reader compares only a few.
pub const MAX_THREADS: u16 = 8;

/// The records of a load, on disk until its end: only then it is known what the figures show.
#[derive(Debug)]
pub struct LoadRecords {
    spool: TempRows,
}

impl LoadRecords {
    /// Collects on the disk of `folder`. Errors name `output`, which the records are for.
    ///
    /// # Errors
    /// [`FileError::Output`] if nothing can be written there.
    pub fn create_in(folder: &Path, output: &Path) -> Result<LoadRecords, FileError> {
        Ok(LoadRecords { spool: TempRows::create_in(folder, output)? })
    }

    /// Collects on the disk of `file`, or on that of temporary files if nothing can be written there, as beside a pipe.
    ///
    /// # Errors
    /// [`FileError::Output`] if nothing can be written on either.
    pub fn create_for(file: &OutputFile) -> Result<LoadRecords, FileError> {
        let beside = LoadRecords::create_in(file.folder(), file.path());
        beside.or_else(|_| LoadRecords::create_in(&std::env::temp_dir(), file.path()))
    }

    /// The sink that collects the records. Call it once.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn sink(&self) -> Result<RowsWriter, FileError> {
        self.spool.writer()
    }

    /// The digest of all records, after the sink has finished.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn digest(&self, totals: &LoadTotals) -> Result<Digest, FileError> {
        let mut digest = Digest::new(load_frame(&totals.generator, totals.generator.threads));
        let mut rows = self.spool.reader()?;
        while rows.left() > 0 {
            rows.next_batch(1 << 14)?.iter().for_each(|record| digest.add(record));
        }
        Ok(digest)
    }
}
