use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::column_buffer::{ColumnBuffer, new_buffer};
use super::schema::{FileColumns, columns, schema};
use super::{CHUNK, GROUP};
use crate::record::columns::ColumnKind;
use crate::record::{FileError, RequestRecord};

/// Writes the file group by group, so that memory is bounded for any length of the run.
pub struct ParquetWriter {
    path: PathBuf,
    file: SerializedFileWriter<BufWriter<File>>,
    columns: Vec<Box<dyn ColumnBuffer>>,
    /// Rows in `columns`.
    gathered: usize,
    /// Rows in a row group.
    group: usize,
}

impl ParquetWriter {
    /// Writes to the empty `file`. Errors name it `path`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn over(file: File, path: &Path) -> Result<ParquetWriter, FileError> {
        ParquetWriter::with_columns(file, path, &columns())
    }

    pub(super) fn with_columns(file: File, path: &Path, columns: &FileColumns) -> Result<ParquetWriter, FileError> {
        let file = BufWriter::new(file);
        // Instants increase steadily, so their differences are small. Only names repeat, so only they use a dictionary.
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_created_by(format!("metawrk {}", env!("CARGO_PKG_VERSION")));
        for (name, kind) in columns {
            properties = match kind {
                ColumnKind::U64(..)
                | ColumnKind::OptionalU64(..)
                | ColumnKind::OptionalU32(..)
                | ColumnKind::U16(..) => {
                    properties.set_column_encoding(ColumnPath::from(*name), Encoding::DELTA_BINARY_PACKED)
                }
                ColumnKind::Outcome => properties.set_column_dictionary_enabled(ColumnPath::from(*name), true),
                ColumnKind::Bool(..) => properties,
            };
        }
        let properties = properties.build();
        let schema = parse_message_type(&schema(columns)).map_err(|e| write_error(path, e))?;
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        let columns = columns.iter().map(|(_, kind)| new_buffer(kind)).collect();
        let file = file.map_err(|e| write_error(path, e))?;
        Ok(ParquetWriter { path: path.to_owned(), file, columns, gathered: 0, group: GROUP })
    }

    /// Writes smaller row groups.
    #[cfg(test)]
    pub(crate) fn with_groups_of(self, rows: usize) -> ParquetWriter {
        ParquetWriter { group: rows, ..self }
    }

    /// Appends records.
    ///
    /// # Errors
    /// [`FileError::Io`]. The file is then useless.
    pub fn append(&mut self, mut records: &[RequestRecord]) -> Result<(), FileError> {
        while !records.is_empty() {
            let (now, later) = records.split_at(records.len().min(CHUNK).min(self.group - self.gathered));
            self.columns.iter_mut().for_each(|column| column.add(now));
            self.gathered += now.len();
            records = later;
            if self.gathered == self.group {
                self.write_group()?;
            }
        }
        Ok(())
    }

    /// Writes the last group and the footer, and waits for the disk.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn finish(mut self) -> Result<(), FileError> {
        self.write_group()?;
        let file = self.file.into_inner().map_err(|e| write_error(&self.path, e))?;
        let file = file.into_inner().map_err(|e| FileError::io(&self.path, "write")(e.into_error()))?;
        match file.sync_all() {
            // Pipes and devices do not support sync.
            Err(error) if error.kind() != ErrorKind::InvalidInput => Err(FileError::io(&self.path, "write")(error)),
            _ => Ok(()),
        }
    }

    fn write_group(&mut self) -> Result<(), FileError> {
        if self.gathered == 0 {
            return Ok(());
        }
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            for column in &mut self.columns {
                let Some(writer) = group.next_column()? else { break };
                column.write(writer)?;
            }
            group.close().map(|_| ())
        };
        write().map_err(|e| write_error(&self.path, e))?;
        self.gathered = 0;
        Ok(())
    }
}

fn write_error(path: &Path, error: ParquetError) -> FileError {
    // The crate wraps I/O errors. Unwrapped, they have the remedies of `FileError`.
    let source = match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other.to_string()),
        },
        other => std::io::Error::other(other.to_string()),
    };
    FileError::io(path, "write")(source)
}
