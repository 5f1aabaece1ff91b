use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::parser::parse_message_type;

use super::GREATEST_GROUP;
use super::schema::{FileColumns, parse_outcome, readable_columns, schema};
use crate::input;
use crate::record::columns::ColumnKind;
use crate::record::{FileError, RequestRecord};
use crate::units::Instant;

/// Reads all rows of a file that [`super::ParquetWriter`] wrote, in its order.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::Invalid`] for another or a damaged file.
pub fn read(path: &Path) -> Result<Vec<RequestRecord>, FileError> {
    let file = input::open_regular(path, input::MAX_DATA).map_err(FileError::io(path, "read"))?;
    // The decoder may panic on a damaged file.
    catch_unwind(AssertUnwindSafe(|| read_groups(file)))
        .unwrap_or_else(|_| Err("it is damaged".to_owned()))
        .map_err(|why| FileError::invalid(path, why, REMEDY))
}

const REMEDY: &str = "Read it with the version of metawrk that wrote it, or run the experiment again";

fn read_groups(file: File) -> Result<Vec<RequestRecord>, String> {
    let reader =
        SerializedFileReader::new(file).map_err(|e| format!("metawrk did not write it, or it is damaged ({e})"))?;
    let found = reader.metadata().file_metadata().schema();
    let has_found = |columns: &FileColumns| parse_message_type(&schema(columns)).is_ok_and(|schema| schema == *found);
    let columns = readable_columns().into_iter().find(has_found);
    let columns = columns.ok_or("its columns differ from those of this version of metawrk")?;
    let mut rows = Vec::new();
    for i in 0..reader.num_row_groups() {
        let group = reader.get_row_group(i).map_err(describe_damage)?;
        let from = rows.len();
        let count = usize::try_from(group.metadata().num_rows()).ok().filter(|&n| n <= GREATEST_GROUP);
        rows.resize(
            from + count.ok_or("it is damaged (size of a row group)")?,
            RequestRecord::planned(0, Instant::START, 0),
        );
        read_group(&*group, &columns, &mut rows[from..])?;
    }
    Ok(rows)
}

fn describe_damage(error: ParquetError) -> String {
    format!("it is damaged ({error})")
}

fn read_group(group: &dyn RowGroupReader, columns: &FileColumns, rows: &mut [RequestRecord]) -> Result<(), String> {
    for (i, (name, kind)) in columns.iter().enumerate() {
        let column = group.get_column_reader(i).map_err(describe_damage)?;
        match (kind, column) {
            (ColumnKind::U64(_, set), ColumnReader::Int64ColumnReader(c)) => read_column(c, false, rows, |row, v| {
                set(row, *v? as u64);
                Some(())
            }),
            (ColumnKind::OptionalU64(_, set), ColumnReader::Int64ColumnReader(c)) => {
                read_column(c, true, rows, |row, v| {
                    set(row, v.map_or(u64::MAX, |v| *v as u64));
                    Some(())
                })
            }
            (ColumnKind::U16(_, set), ColumnReader::Int32ColumnReader(c)) => read_column(c, false, rows, |row, v| {
                set(row, u16::try_from(*v?).ok()?);
                Some(())
            }),
            (ColumnKind::OptionalU32(_, set), ColumnReader::Int32ColumnReader(c)) => {
                read_column(c, true, rows, |row, v| {
                    set(row, v.map_or(u32::MAX, |v| *v as u32));
                    Some(())
                })
            }
            (ColumnKind::Bool(_, set), ColumnReader::BoolColumnReader(c)) => read_column(c, false, rows, |row, v| {
                set(row, *v?);
                Some(())
            }),
            (ColumnKind::Outcome, ColumnReader::ByteArrayColumnReader(c)) => read_column(c, false, rows, |row, v| {
                row.set_outcome(parse_outcome(v?.data())?);
                Some(())
            }),
            _ => Err("another type".to_owned()),
        }
        .map_err(|why| format!("it is damaged (column {name}: {why})"))?;
    }
    Ok(())
}

/// Reads a column into `rows` with `set`, which returns `None` for an invalid value.
fn read_column<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    nullable: bool,
    rows: &mut [RequestRecord],
    mut set: impl FnMut(&mut RequestRecord, Option<&T::T>) -> Option<()>,
) -> Result<(), String>
where
    T::T: Clone,
{
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows.len() {
        values.clear();
        levels.clear();
        let levels_out = nullable.then_some(&mut levels);
        let (read, _, _) = column
            .read_records((rows.len() - done).min(1 << 16), levels_out, None, &mut values)
            .map_err(|e| e.to_string())?;
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
