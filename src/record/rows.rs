//! `requests.rows`: records in their memory layout, appended during the run, so that a crash loses only what was not written
//! yet. At the end of the run it is converted to `requests.parquet`.
//!
//! The file is a header of 16 bytes (magic, version, size of a row) and rows, in native byte order. It is only read on
//! the machine that wrote it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::sink::RecordSink;
use super::{FileError, RequestRecord};
use crate::input;
use crate::units::Instant;

const MAGIC: [u8; 8] = *b"mwrkrows";
const VERSION: u32 = 2;
const ROW: usize = size_of::<RequestRecord>();
const HEADER: usize = 16;

/// Appends rows. It does not buffer: the caller passes batches.
#[derive(Debug)]
pub struct RowsWriter {
    file: File,
    path: PathBuf,
    rows: u64,
}

impl RowsWriter {
    /// Creates a new file. An existing file is an error.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create(path: &Path) -> Result<RowsWriter, FileError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(FileError::io(path, "create"))?;
        RowsWriter::over(file, path)
    }

    /// Writes to the empty `file`. Errors name it `path`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn over(mut file: File, path: &Path) -> Result<RowsWriter, FileError> {
        file.write_all(&header()).map_err(FileError::io(path, "write"))?;
        Ok(RowsWriter { file, path: path.to_owned(), rows: 0 })
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// [`FileError::Io`]. Nothing of `batch` is then in the file, and a later call may succeed.
    pub fn append(&mut self, batch: &[RequestRecord]) -> Result<(), FileError> {
        if let Err(error) = self.file.write_all(bytemuck::cast_slice(batch)) {
            // A partial row would shift all later rows: go back to the last complete batch.
            let whole = HEADER as u64 + self.rows * ROW as u64;
            let _ = self.file.set_len(whole).and_then(|()| {
                use std::io::Seek;
                self.file.seek(std::io::SeekFrom::Start(whole))
            });
            return Err(FileError::io(&self.path, "write")(error));
        }
        self.rows += batch.len() as u64;
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl RecordSink for RowsWriter {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.append(batch).map_err(io::Error::other)
    }
}

fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_ne_bytes());
    header[12..].copy_from_slice(&(ROW as u32).to_ne_bytes());
    header
}

const REMEDY: &str = "Remove it and run the experiment again";

/// Reads rows, a batch at a time.
#[derive(Debug)]
pub struct RowsReader {
    file: File,
    path: PathBuf,
    left: u64,
    torn: u64,
}

impl RowsReader {
    /// Opens a file.
    ///
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Invalid`] if it is not a file of rows, or of another version.
    pub fn open(path: &Path) -> Result<RowsReader, FileError> {
        RowsReader::over(input::open_regular(path, input::MAX_DATA).map_err(FileError::io(path, "read"))?, path)
    }

    /// Reads `file` from its start. Errors name it `path`.
    ///
    /// # Errors
    /// The errors of [`RowsReader::open`].
    pub fn over(mut file: File, path: &Path) -> Result<RowsReader, FileError> {
        let length = file.metadata().map_err(FileError::io(path, "read"))?.len();
        let mut found = [0; HEADER];
        if length >= HEADER as u64 {
            file.read_exact(&mut found).map_err(FileError::io(path, "read"))?;
        }
        if found != header() {
            let (why, remedy) = if found[..8] == MAGIC {
                ("another version of metawrk wrote it", "Read it with the version that ran the experiment")
            } else {
                ("it is not a file of request rows, or its header is damaged", REMEDY)
            };
            return Err(FileError::invalid(path, why, remedy));
        }
        let body = length - HEADER as u64;
        Ok(RowsReader { file, path: path.to_owned(), left: body / ROW as u64, torn: body % ROW as u64 })
    }

    /// Complete rows that are not read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes of a last row that a crash left incomplete. The reader skips them.
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Reads up to `most` further rows; none at the end.
    ///
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Invalid`] for an invalid row.
    pub fn next_batch(&mut self, most: usize) -> Result<Vec<RequestRecord>, FileError> {
        let take = self.left.min(most as u64);
        let mut rows = vec![RequestRecord::planned(0, Instant::START, 0); take as usize];
        self.file.read_exact(bytemuck::cast_slice_mut(&mut rows)).map_err(FileError::io(&self.path, "read"))?;
        self.left -= take;
        // After a power failure the end of a file may be zeros that were never written.
        if let Some(zeros) = rows.iter().position(|row| bytemuck::bytes_of(row).iter().all(|&byte| byte == 0)) {
            rows.truncate(zeros);
            self.torn += (take - zeros as u64 + self.left) * ROW as u64;
            self.left = 0;
        }
        if rows.iter().any(|row| row.outcome().is_none()) {
            return Err(FileError::invalid(&self.path, "it is damaged (a row has an unknown outcome)", REMEDY));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::records;
    use super::*;

    fn write(path: &Path, batches: &[Vec<RequestRecord>]) {
        let mut writer = RowsWriter::create(path).unwrap();
        batches.iter().for_each(|batch| writer.append(batch).unwrap());
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(batches in prop::collection::vec(records(), 0..4), most in 1..7usize) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("rows");
            write(&path, &batches);
            let mut reader = RowsReader::open(&path).unwrap();
            let mut back = Vec::new();
            while reader.left() > 0 {
                back.extend(reader.next_batch(most).unwrap());
            }
            prop_assert_eq!(back, batches.concat());
            prop_assert_eq!(reader.torn_bytes(), 0);
        }
    }

    #[test]
    fn an_incomplete_last_row_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        write(&path, &[vec![RequestRecord::planned(1, Instant(2), 3), RequestRecord::planned(4, Instant(5), 6)]]);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(std::fs::metadata(&path).unwrap().len() - 1).unwrap();
        let mut reader = RowsReader::open(&path).unwrap();
        assert_eq!(reader.torn_bytes(), ROW as u64 - 1);
        assert_eq!(reader.next_batch(9).unwrap(), [RequestRecord::planned(1, Instant(2), 3)]);
        assert_eq!(reader.next_batch(9).unwrap(), []);
    }

    #[test]
    fn zeros_at_the_end_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        write(&path, &[vec![RequestRecord::planned(1, Instant(2), 3)]]);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len((HEADER + 3 * ROW) as u64).unwrap();
        let mut reader = RowsReader::open(&path).unwrap();
        assert_eq!(reader.next_batch(9).unwrap(), [RequestRecord::planned(1, Instant(2), 3)]);
        assert_eq!((reader.left(), reader.torn_bytes()), (0, 2 * ROW as u64));
    }

    #[test]
    fn other_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        let mut other = header();
        other[8] ^= 3;
        let mut damaged = header().to_vec();
        damaged.extend([0xff; ROW]);
        for (bytes, says) in
            [(&b""[..], "not a file"), (b"PAR1 and so on, for long", "not a file"), (&other, "version")]
        {
            std::fs::write(&path, bytes).unwrap();
            let error = RowsReader::open(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        std::fs::write(&path, damaged).unwrap();
        let error = RowsReader::open(&path).unwrap().next_batch(1).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
}
