use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::schema::parser::parse_message_type;

use super::CHUNK;
use super::decode::{GroupDecoder, describe_damage};
use super::schema::{FileColumns, present_name, readable_columns, schema};
use crate::input;
use crate::record::{FileError, RequestRecord};
use crate::units::Instant;

/// A file that [`super::ParquetWriter`] wrote, open for reading.
pub struct ParquetReader {
    path: PathBuf,
    file: SerializedFileReader<File>,
    columns: FileColumns,
}

/// What a file says of the rows of a row group without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// The earliest due time.
    pub first_due: Instant,
    /// The latest due time.
    pub last_due: Instant,
    /// The last end that is known.
    pub last_end: Instant,
    /// All are last attempts.
    pub all_are_last: bool,
}

const REMEDY: &str = "Read it with the version of metawrk that wrote it, or run the experiment again";

impl ParquetReader {
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Invalid`] for another or a damaged file.
    pub fn open(path: &Path) -> Result<ParquetReader, FileError> {
        let file = input::open_regular(path, input::MAX_DATA).map_err(FileError::io(path, "read"))?;
        let opened = catch_panic(|| open_reader(file));
        let (file, columns) = opened.map_err(|why| FileError::invalid(path, why, REMEDY))?;
        Ok(ParquetReader { path: path.to_owned(), file, columns })
    }

    /// The numbers of its row groups.
    pub fn groups(&self) -> Range<usize> {
        0..self.file.num_row_groups()
    }

    /// What the statistics in the file say of a row group. `None` if they say too little.
    pub fn summary(&self, group: usize) -> Option<GroupSummary> {
        let group = self.file.metadata().row_group(group);
        let of = |name: &str| {
            let at = self.columns.iter().position(|(found, _)| present_name(found) == name)?;
            group.column(at).statistics()
        };
        let instant = |ns: Option<&i64>| ns.and_then(|ns| u64::try_from(*ns).ok()).map(Instant);
        let (Statistics::Int64(due), Statistics::Int64(end), Statistics::Boolean(last)) =
            (of("due_ns")?, of("end_ns")?, of("last")?)
        else {
            return None;
        };
        // Instants are signed in the statistics: the least one shows whether all are in order.
        instant(end.min_opt())?;
        Some(GroupSummary {
            first_due: instant(due.min_opt())?,
            last_due: instant(due.max_opt())?,
            last_end: instant(end.max_opt())?,
            all_are_last: *last.min_opt()?,
        })
    }

    /// Reads the rows of a row group in their order, and passes them to `consume` in batches. Fields of the columns for
    /// which `is_wanted` is false are as in a record that is only planned.
    ///
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Invalid`] for a damaged file; the error of `consume`.
    pub fn read_group(
        &self,
        group: usize,
        is_wanted: fn(&str) -> bool,
        mut consume: impl FnMut(&[RequestRecord]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let damaged = |why| FileError::invalid(&self.path, why, REMEDY);
        let open =
            || GroupDecoder::open(&*self.file.get_row_group(group).map_err(describe_damage)?, &self.columns, is_wanted);
        let mut decoder = catch_panic(open).map_err(damaged)?;
        let mut rows = vec![RequestRecord::planned(0, Instant::START, 0); CHUNK];
        loop {
            let count = catch_panic(|| decoder.read(&mut rows)).map_err(damaged)?;
            if count == 0 {
                return Ok(());
            }
            consume(&rows[..count])?;
        }
    }
}

/// Reads all rows of a file.
///
/// # Errors
/// Those of [`ParquetReader`].
pub fn read(path: &Path) -> Result<Vec<RequestRecord>, FileError> {
    let (reader, mut all) = (ParquetReader::open(path)?, Vec::new());
    for group in reader.groups() {
        reader.read_group(
            group,
            |_| true,
            |rows| {
                all.extend_from_slice(rows);
                Ok(())
            },
        )?;
    }
    Ok(all)
}

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
