//! `requests.parquet`: one row an attempt, for pandas, polars, DuckDB, and for drawing a report again.
//!
//! Instants are ns since the start of load, null where one never came. `response_ns` and `lower_bound` follow from the
//! other columns and are there for whoever reads the file with one line.

mod file;
mod gather;
mod read;
mod schema;
mod write;

pub use file::ParquetFile;
pub use read::read;
pub use write::ParquetWriter;

use super::FileError;
use super::rows::RowsReader;

/// Rows in a row group: what is held in memory while writing (some 16 MB).
const GROUP: usize = 1 << 17;

/// No row group of ours has more, nor had in earlier versions.
const GREATEST_GROUP: usize = 1 << 20;

/// Rows that pass through the cache together.
const AT_ONCE: usize = 1 << 10;

/// Writes all `rows`, a batch at a time.
///
/// # Errors
/// [`FileError`] of either file.
pub fn convert(mut rows: RowsReader, mut writer: ParquetWriter) -> Result<(), FileError> {
    while rows.left() > 0 {
        writer.append(&rows.next_batch(AT_ONCE)?)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests;
