use hyper::body::Bytes;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;

use crate::record::columns::ColumnKind;
use crate::record::{Outcome, RequestRecord};

/// A column of the row group to come. Rows are gathered into columns a few at a time, while they are in the cache: a
/// pass over a whole group for each column is a pass over the memory.
pub trait Column: Send {
    fn gather(&mut self, rows: &[RequestRecord]);

    /// Writes what was gathered, and is empty again.
    ///
    /// # Errors
    /// The disk's.
    fn write(&mut self, column: SerializedColumnWriter<'_>) -> Result<(), ParquetError>;
}

/// The empty column of a kind.
pub fn column(kind: &ColumnKind) -> Box<dyn Column> {
    match *kind {
        ColumnKind::Long(get, _) => required::<Int64Type>(move |row| get(row) as i64),
        ColumnKind::MaybeLong(get, _) => {
            nullable::<Int64Type>(move |row| Some(get(row)).filter(|&v| v != u64::MAX).map(|v| v as i64))
        }
        ColumnKind::Short(get, _) => required::<Int32Type>(move |row| i32::from(get(row))),
        ColumnKind::MaybeInt(get, _) => {
            nullable::<Int32Type>(move |row| Some(get(row)).filter(|&v| v != u32::MAX).map(|v| v as i32))
        }
        ColumnKind::Flag(get, _) => required::<BoolType>(get),
        ColumnKind::Outcome => {
            // Static bytes are copied without a count of who has them: 250 instructions less for a request.
            let names = Outcome::ALL.map(|outcome| ByteArray::from(Bytes::from_static(outcome.name().as_bytes())));
            required::<ByteArrayType>(move |row| names[row.outcome().unwrap_or(Outcome::Unsent) as usize].clone())
        }
    }
}

struct Required<T: DataType, G> {
    get: G,
    values: Vec<T::T>,
}

fn required<T: DataType>(get: impl Fn(&RequestRecord) -> T::T + Send + 'static) -> Box<dyn Column> {
    Box::new(Required::<T, _> { get, values: Vec::new() })
}

impl<T: DataType, G: Fn(&RequestRecord) -> T::T + Send> Column for Required<T, G> {
    fn gather(&mut self, rows: &[RequestRecord]) {
        self.values.extend(rows.iter().map(&self.get));
    }

    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        column.typed::<T>().write_batch(&self.values, None, None)?;
        self.values.clear();
        column.close()
    }
}

struct Nullable<T: DataType, G> {
    get: G,
    values: Vec<T::T>,
    /// The format's "definition levels": 1 where a row has a value.
    levels: Vec<i16>,
}

fn nullable<T: DataType>(get: impl Fn(&RequestRecord) -> Option<T::T> + Send + 'static) -> Box<dyn Column> {
    Box::new(Nullable::<T, _> { get, values: Vec::new(), levels: Vec::new() })
}

impl<T: DataType, G: Fn(&RequestRecord) -> Option<T::T> + Send> Column for Nullable<T, G> {
    fn gather(&mut self, rows: &[RequestRecord]) {
        for value in rows.iter().map(&self.get) {
            self.levels.push(i16::from(value.is_some()));
            self.values.extend(value);
        }
    }

    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        column.typed::<T>().write_batch(&self.values, Some(&self.levels), None)?;
        self.values.clear();
        self.levels.clear();
        column.close()
    }
}
