use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::record::parquet::{GroupSummary, ParquetReader};
use crate::record::rows::RowsReader;
use crate::record::{FileError, RequestRecord};

/// The records of a results folder. They are read in batches, since all of them need not fit into memory.
#[derive(Clone, Debug)]
pub enum RequestRows {
    /// `requests.parquet`, or one for each generator.
    Parquet(Vec<PathBuf>),
    /// `requests.rows`, or one for each generator.
    Raw(Vec<PathBuf>),
}

impl RequestRows {
    /// Reads all records, those of each generator in the order in which they were recorded, and passes them to `consume`.
    ///
    /// # Errors
    /// [`FileError`] of the file, or the error of `consume`.
    pub fn for_each_batch(
        &self,
        mut consume: impl FnMut(&[RequestRecord]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        self.divide(1)?
            .iter()
            .try_for_each(|part| part.for_each_group(|group| group.for_each_batch(|_| true, &mut consume)))
    }

    /// Divides the records into parts that can be read at the same time: at most `most` of each file, in the order in which
    /// they were recorded.
    ///
    /// # Errors
    /// [`FileError`] of the file.
    pub fn divide(&self, most: usize) -> Result<Vec<RequestPart<'_>>, FileError> {
        match self {
            RequestRows::Raw(paths) => Ok(paths.iter().map(|path| RequestPart::Raw(path)).collect()),
            RequestRows::Parquet(paths) => {
                let mut all = Vec::new();
                for path in paths {
                    let groups = ParquetReader::open(path)?.groups();
                    let parts = groups.len().min(most).max(1);
                    let start = |part| groups.len() * part / parts;
                    all.extend((0..parts).map(|part| RequestPart::Parquet(path, start(part)..start(part + 1))));
                }
                Ok(all)
            }
        }
    }
}

/// Records that follow one another.
#[derive(Clone, Debug)]
pub enum RequestPart<'a> {
    /// Row groups of `requests.parquet`.
    Parquet(&'a Path, Range<usize>),
    /// All of `requests.rows`.
    Raw(&'a Path),
}

/// Some records of a part that are stored together.
pub enum RequestGroup<'a> {
    /// A row group.
    Parquet(&'a ParquetReader, usize),
    /// All of `requests.rows`.
    Raw(&'a Path),
}

impl RequestPart<'_> {
    /// Passes the groups of the part to `visit`, in their order.
    ///
    /// # Errors
    /// [`FileError`] of the file, or the error of `visit`.
    pub fn for_each_group(
        &self,
        mut visit: impl FnMut(RequestGroup<'_>) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        match self {
            RequestPart::Parquet(path, groups) => {
                let reader = ParquetReader::open(path)?;
                groups.clone().try_for_each(|group| visit(RequestGroup::Parquet(&reader, group)))
            }
            RequestPart::Raw(path) => visit(RequestGroup::Raw(path)),
        }
    }
}

impl RequestGroup<'_> {
    /// What is known of the records without reading them.
    pub fn summary(&self) -> Option<GroupSummary> {
        match self {
            RequestGroup::Parquet(reader, group) => reader.summary(*group),
            RequestGroup::Raw(_) => None,
        }
    }

    /// Reads the records in their order, and passes them to `consume`. Only columns for which `is_wanted` is true need to be
    /// read.
    ///
    /// # Errors
    /// [`FileError`] of the file, or the error of `consume`.
    pub fn for_each_batch(
        &self,
        is_wanted: fn(&str) -> bool,
        mut consume: impl FnMut(&[RequestRecord]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        match self {
            RequestGroup::Parquet(reader, group) => reader.read_group(*group, is_wanted, consume),
            RequestGroup::Raw(path) => {
                let mut rows = RowsReader::open(path)?;
                while rows.left() > 0 {
                    consume(&rows.next_batch(BATCH)?)?;
                }
                Ok(())
            }
        }
    }
}

/// Raw rows that are read together.
const BATCH: usize = 1 << 14;
