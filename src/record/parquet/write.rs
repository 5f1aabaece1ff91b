use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::GROUP;
use super::schema::schema;
use crate::record::columns::{COLUMNS, Kind};
use crate::record::{FileError, NEVER, Outcome, RequestRecord};

/// Writes the file group by group, so that memory stays bounded whatever the length of the run.
pub struct ParquetWriter {
    path: PathBuf,
    file: SerializedFileWriter<BufWriter<File>>,
    pending: Vec<RequestRecord>,
}

impl ParquetWriter {
    /// A new file at `path`, in place of what may be there.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create(path: &Path) -> Result<ParquetWriter, FileError> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
        ParquetWriter::over(file.map_err(FileError::io(path, "create"))?, path)
    }

    /// Into an empty file; errors call it `path`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn over(file: File, path: &Path) -> Result<ParquetWriter, FileError> {
        let file = BufWriter::new(file);
        // Instants grow steadily: their differences are small. Only names repeat, so only they have a dictionary.
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_created_by(format!("metawrk {}", env!("CARGO_PKG_VERSION")));
        for (name, kind) in COLUMNS {
            properties = match kind {
                Kind::Long(..) | Kind::MaybeLong(..) | Kind::MaybeInt(..) | Kind::Short(..) => {
                    properties.set_column_encoding(ColumnPath::from(*name), Encoding::DELTA_BINARY_PACKED)
                }
                Kind::Outcome => properties.set_column_dictionary_enabled(ColumnPath::from(*name), true),
                Kind::Flag(..) => properties,
            };
        }
        let properties = properties.build();
        let schema = parse_message_type(&schema()).map_err(|e| failed(path, e))?;
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(ParquetWriter { path: path.to_owned(), file: file.map_err(|e| failed(path, e))?, pending: Vec::new() })
    }

    /// # Errors
    /// [`FileError::Io`]; the file is then good for nothing.
    pub fn append(&mut self, mut records: &[RequestRecord]) -> Result<(), FileError> {
        while !records.is_empty() {
            let (now, later) = records.split_at(records.len().min(GROUP - self.pending.len()));
            self.pending.extend_from_slice(now);
            records = later;
            if self.pending.len() == GROUP {
                self.write_group()?;
            }
        }
        Ok(())
    }

    /// Writes what is pending and the footer, and waits for the disk.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn finish(mut self) -> Result<(), FileError> {
        self.write_group()?;
        let file = self.file.into_inner().map_err(|e| failed(&self.path, e))?;
        let file = file.into_inner().map_err(|e| FileError::io(&self.path, "write")(e.into_error()))?;
        match file.sync_all() {
            // A pipe or a device has nothing to wait for.
            Err(error) if error.kind() != ErrorKind::InvalidInput => Err(FileError::io(&self.path, "write")(error)),
            _ => Ok(()),
        }
    }

    fn write_group(&mut self) -> Result<(), FileError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let rows = &self.pending;
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            for (_, kind) in COLUMNS {
                let Some(column) = group.next_column()? else { break };
                write_column(column, kind, rows)?;
            }
            group.close().map(|_| ())
        };
        write().map_err(|e| failed(&self.path, e))?;
        self.pending.clear();
        Ok(())
    }
}

fn write_column(
    mut column: SerializedColumnWriter<'_>,
    kind: &Kind,
    rows: &[RequestRecord],
) -> Result<(), ParquetError> {
    match kind {
        Kind::Long(get, _) => put::<Int64Type>(&mut column, rows.iter().map(|r| Some(get(r) as i64)), false)?,
        Kind::MaybeLong(get, _) => {
            let values = rows.iter().map(|r| Some(get(r)).filter(|&v| v != NEVER).map(|v| v as i64));
            put::<Int64Type>(&mut column, values, true)?;
        }
        Kind::Short(get, _) => put::<Int32Type>(&mut column, rows.iter().map(|r| Some(i32::from(get(r)))), false)?,
        Kind::MaybeInt(get, _) => {
            let values = rows.iter().map(|r| Some(get(r)).filter(|&v| v != u32::MAX).map(|v| v as i32));
            put::<Int32Type>(&mut column, values, true)?;
        }
        Kind::Flag(get, _) => put::<BoolType>(&mut column, rows.iter().map(|r| Some(get(r))), false)?,
        Kind::Outcome => {
            let names = Outcome::ALL.map(|outcome| ByteArray::from(outcome.name()));
            let name = |r: &RequestRecord| names[r.outcome().unwrap_or(Outcome::Unsent) as usize].clone();
            put::<ByteArrayType>(&mut column, rows.iter().map(|r| Some(name(r))), false)?;
        }
    }
    column.close()
}

fn put<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Option<T::T>> + Clone,
    nullable: bool,
) -> Result<(), ParquetError> {
    // A definition level is 1 where a nullable column has a value.
    let levels: Option<Vec<i16>> = nullable.then(|| values.clone().map(|v| i16::from(v.is_some())).collect());
    let values: Vec<T::T> = values.flatten().collect();
    column.typed::<T>().write_batch(&values, levels.as_deref(), None).map(|_| ())
}

fn failed(path: &Path, error: ParquetError) -> FileError {
    // The crate wraps what the disk said; unwrapped, the remedy is the same as for any other file.
    let source = match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other.to_string()),
        },
        other => std::io::Error::other(other.to_string()),
    };
    FileError::io(path, "write")(source)
}
