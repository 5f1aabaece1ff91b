//! `requests.parquet`: one row an attempt, for pandas, polars, DuckDB, and for drawing a report again.
//!
//! Instants are ns since the start of load, null where one never came. `response_ns` and `lower_bound` follow from the
//! other columns and are there for whoever reads the file with one line.

mod keep;
mod read;
mod schema;
mod write;

pub use keep::ParquetFile;
pub use read::read;
pub use write::ParquetWriter;

use super::FileError;
use super::rows::RowsReader;

/// Rows in a row group: what is held in memory while writing.
const GROUP: usize = 1 << 20;

/// Writes all `rows`, a batch at a time.
///
/// # Errors
/// [`FileError`] of either file.
pub fn convert(mut rows: RowsReader, mut writer: ParquetWriter) -> Result<(), FileError> {
    while rows.left() > 0 {
        writer.append(&rows.next_batch(1 << 16)?)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests;
