use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::RowGroupReader;

use super::schema::{FileColumns, parse_outcome, present_name};
use crate::record::RequestRecord;
use crate::record::columns::ColumnKind;

/// Why a file cannot be read.
pub(super) fn describe_damage(error: ParquetError) -> String {
    format!("it is damaged ({error})")
}

/// The rows of a row group, which are read a few at a time, while they are in the cache.
pub struct GroupDecoder {
    columns: Vec<(&'static str, &'static ColumnKind, ColumnReader)>,
    /// Rows that are not read yet.
    left: usize,
}

impl GroupDecoder {
    /// Opens those columns of a row group for which `is_wanted` is true.
    ///
    /// # Errors
    /// Why the file is damaged.
    pub fn open(
        group: &dyn RowGroupReader,
        columns: &FileColumns,
        is_wanted: fn(&str) -> bool,
    ) -> Result<GroupDecoder, String> {
        let wanted = columns.iter().enumerate().filter(|(_, (name, _))| is_wanted(present_name(name)));
        let open = |(at, &(name, kind)): (usize, &(&'static str, &'static ColumnKind))| {
            Ok((name, kind, group.get_column_reader(at).map_err(describe_damage)?))
        };
        let left = usize::try_from(group.metadata().num_rows()).map_err(|_| "it is damaged (size of a row group)")?;
        Ok(GroupDecoder { columns: wanted.map(open).collect::<Result<_, String>>()?, left })
    }

    /// Puts the next rows into `rows`. Returns how many: none at the end.
    ///
    /// # Errors
    /// Why the file is damaged.
    pub fn read(&mut self, rows: &mut [RequestRecord]) -> Result<usize, String> {
        let count = rows.len().min(self.left);
        for (name, kind, reader) in &mut self.columns {
            read_values(kind, reader, &mut rows[..count])
                .map_err(|why| format!("it is damaged (column {name}: {why})"))?;
        }
        self.left -= count;
        Ok(count)
    }
}

fn read_values(kind: &ColumnKind, reader: &mut ColumnReader, rows: &mut [RequestRecord]) -> Result<(), String> {
    match (kind, reader) {
        (ColumnKind::U64(_, set), ColumnReader::Int64ColumnReader(column)) => {
            read_column(column, false, rows, |row, v| {
                set(row, *v? as u64);
                Some(())
            })
        }
        (ColumnKind::OptionalU64(_, set), ColumnReader::Int64ColumnReader(column)) => {
            read_column(column, true, rows, |row, v| {
                set(row, v.map_or(u64::MAX, |v| *v as u64));
                Some(())
            })
        }
        (ColumnKind::U16(_, set), ColumnReader::Int32ColumnReader(column)) => {
            read_column(column, false, rows, |row, v| {
                set(row, u16::try_from(*v?).ok()?);
                Some(())
            })
        }
        (ColumnKind::OptionalU32(_, set), ColumnReader::Int32ColumnReader(column)) => {
            read_column(column, true, rows, |row, v| {
                set(row, v.map_or(u32::MAX, |v| *v as u32));
                Some(())
            })
        }
        (ColumnKind::Bool(_, set), ColumnReader::BoolColumnReader(column)) => {
            read_column(column, false, rows, |row, v| {
                set(row, *v?);
                Some(())
            })
        }
        (ColumnKind::Outcome, ColumnReader::ByteArrayColumnReader(column)) => {
            read_column(column, false, rows, |row, v| {
                row.set_outcome(parse_outcome(v?.data())?);
                Some(())
            })
        }
        _ => Err("another type".to_owned()),
    }
}

/// Reads a column into `rows` with `set`, which returns `None` for an invalid value.
fn read_column<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    nullable: bool,
    rows: &mut [RequestRecord],
    mut set: impl FnMut(&mut RequestRecord, Option<&T::T>) -> Option<()>,
) -> Result<(), String> {
    let (mut values, mut levels) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut done = 0;
    while done < rows.len() {
        values.clear();
        levels.clear();
        let levels_out = nullable.then_some(&mut levels);
        let (read, _, _) =
            column.read_records(rows.len() - done, levels_out, None, &mut values).map_err(|e| e.to_string())?;
        if read == 0 || read > rows.len() - done {
            return Err("a wrong number of rows".to_owned());
        }
        let mut next = values.iter();
        for (k, row) in rows[done..done + read].iter_mut().enumerate() {
            let present = !nullable || levels.get(k) == Some(&1);
            let value = if present { next.next() } else { None };
            set(row, value).ok_or("an invalid value")?;
        }
        done += read;
    }
    Ok(())
}
