//! `requests.parquet`: one row an attempt, for pandas, polars, DuckDB, and for drawing a report again.
//!
//! Instants are ns since the start of load, null where one never came. `response_ns` and `lower_bound` follow from the
//! other columns and are there for whoever reads the file with one line.

mod columns;
mod read;
mod write;

pub use read::read;
pub use write::ParquetWriter;

/// Rows in a row group: what is held in memory while writing.
const GROUP: usize = 1 << 20;

#[cfg(test)]
mod tests;
