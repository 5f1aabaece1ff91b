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

/// Reads the rows of a file that [`super::ParquetWriter`] wrote, in its order, and passes each row group to `consume`. One
/// group is in memory at a time.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::Invalid`] for another or a damaged file; the error of `consume`.
pub fn read_groups(
    path: &Path,
    mut consume: impl FnMut(&[RequestRecord]) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let file = input::open_regular(path, input::MAX_DATA).map_err(FileError::io(path, "read"))?;
    let damaged = |why| FileError::invalid(path, why, REMEDY);
    let (reader, columns) = catch_panic(|| open_reader(file)).map_err(damaged)?;
    let mut rows = Vec::new();
    for group in 0..reader.num_row_groups() {
        catch_panic(|| read_whole_group(&reader, group, &columns, &mut rows)).map_err(damaged)?;
        consume(&rows)?;
    }
    Ok(())
}

/// Reads all rows of a file, as [`read_groups`] does.
///
/// # Errors
/// Those of [`read_groups`].
pub fn read(path: &Path) -> Result<Vec<RequestRecord>, FileError> {
    let mut all = Vec::new();
    read_groups(path, |rows| {
        all.extend_from_slice(rows);
        Ok(())
    })?;
    Ok(all)
}

const REMEDY: &str = "Read it with the version of metawrk that wrote it, or run the experiment again";

/// The decoder may panic on a damaged file.
fn catch_panic<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err("it is damaged".to_owned()))
}

fn open_reader(file: File) -> Result<(SerializedFileReader<File>, FileColumns), String> {
    let reader =
        SerializedFileReader::new(file).map_err(|e| format!("metawrk did not write it, or it is damaged ({e})"))?;
    let found = reader.metadata().file_metadata().schema();
    let has_found = |columns: &FileColumns| parse_message_type(&schema(columns)).is_ok_and(|schema| schema == *found);
    let columns = readable_columns().into_iter().find(has_found);
    Ok((reader, columns.ok_or("its columns differ from those of this version of metawrk")?))
}

/// Replaces `rows` by those of a row group.
fn read_whole_group(
    reader: &SerializedFileReader<File>,
    number: usize,
    columns: &FileColumns,
    rows: &mut Vec<RequestRecord>,
) -> Result<(), String> {
    let group = reader.get_row_group(number).map_err(describe_damage)?;
    let count = usize::try_from(group.metadata().num_rows()).ok().filter(|&n| n <= GREATEST_GROUP);
    rows.clear();
    rows.resize(count.ok_or("it is damaged (size of a row group)")?, RequestRecord::planned(0, Instant::START, 0));
    read_group(&*group, columns, rows)
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
