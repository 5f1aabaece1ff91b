use std::path::PathBuf;

use crate::record::rows::RowsReader;
use crate::record::{FileError, RequestRecord, parquet};

/// The records of a results folder. They are read in batches, since all of them need not fit into memory.
#[derive(Clone, Debug)]
pub enum RequestRows {
    /// `requests.parquet`
    Parquet(PathBuf),
    /// `requests.rows`
    Raw(PathBuf),
}

impl RequestRows {
    /// Reads all records, in the order in which they were recorded, and passes them to `consume`.
    ///
    /// # Errors
    /// [`FileError`] of the file, or the error of `consume`.
    pub fn for_each_batch(
        &self,
        mut consume: impl FnMut(&[RequestRecord]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        match self {
            RequestRows::Parquet(path) => parquet::read_groups(path, consume),
            RequestRows::Raw(path) => {
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
