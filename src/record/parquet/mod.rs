//! `requests.parquet`: one row per attempt, for pandas, polars and DuckDB, and for `metawrk report`.
//!
//! Instants are ns since the start of load, and null if they never came. `response_ns` and `lower_bound` are derived from
//! the other columns, for the convenience of readers.

mod column_buffer;
mod decode;
mod file;
mod read;
mod schema;
mod write;

pub use file::ParquetFile;
pub use read::{GroupSummary, ParquetReader, read};
pub use write::ParquetWriter;

use super::FileError;
use super::rows::RowsReader;

/// Rows in a row group. A group is in memory while it is written (about 16 MB).
const GROUP: usize = 1 << 17;

/// Rows that are processed together, few enough to stay in the cache.
const CHUNK: usize = 1 << 10;

/// Writes all `rows` to `writer`.
///
/// # Errors
/// [`FileError`] of either file.
pub fn convert(mut rows: RowsReader, mut writer: ParquetWriter) -> Result<(), FileError> {
    while rows.left() > 0 {
        writer.append(&rows.next_batch(CHUNK)?)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests;
