//! `requests.rows`: records as they are in memory, appended while the run goes on, so that a crash loses nothing but
//! what was not yet handed over. `requests.parquet` is made of it at the end.
//!
//! A header of 16 bytes (magic, version, size of a row; native byte order), then rows. It never leaves the machine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::sink::RecordSink;
use super::{FileError, RequestRecord};
use crate::units::Instant;

const MAGIC: [u8; 8] = *b"mwrkrows";
const VERSION: u32 = 1;
const ROW: usize = size_of::<RequestRecord>();
const HEADER: usize = 16;

/// Appends rows. Writes are not buffered here: the caller hands over batches.
#[derive(Debug)]
pub struct RowsWriter {
    file: File,
    path: PathBuf,
    rows: u64,
}

impl RowsWriter {
    /// A new file; one that exists is never touched.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create(path: &Path) -> Result<RowsWriter, FileError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(FileError::io(path, "create"))?;
        RowsWriter::over(file, path)
    }

    /// Into an empty file; errors call it `path`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn over(mut file: File, path: &Path) -> Result<RowsWriter, FileError> {
        file.write_all(&header()).map_err(FileError::io(path, "write"))?;
        Ok(RowsWriter { file, path: path.to_owned(), rows: 0 })
    }

    /// # Errors
    /// [`FileError::Io`]: then none of `batch` is in the file, and a later call may succeed.
    pub fn append(&mut self, batch: &[RequestRecord]) -> Result<(), FileError> {
        if let Err(error) = self.file.write_all(bytemuck::cast_slice(batch)) {
            // A part of a row would shift all that follows: back to the last whole batch.
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

/// Reads rows back, a batch at a time.
#[derive(Debug)]
pub struct RowsReader {
    file: File,
    path: PathBuf,
    left: u64,
    torn: u64,
}

impl RowsReader {
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Invalid`] if it is no file of rows, or another version's.
    pub fn open(path: &Path) -> Result<RowsReader, FileError> {
        RowsReader::over(File::open(path).map_err(FileError::io(path, "read"))?, path)
    }

    /// From the start of a file; errors call it `path`.
    ///
    /// # Errors
    /// As [`RowsReader::open`].
    pub fn over(mut file: File, path: &Path) -> Result<RowsReader, FileError> {
        let length = file.metadata().map_err(FileError::io(path, "read"))?.len();
        let mut found = [0; HEADER];
        if length >= HEADER as u64 {
            file.read_exact(&mut found).map_err(FileError::io(path, "read"))?;
        }
        if found != header() {
            let (why, todo) = if found[..8] == MAGIC {
                ("written by another version of this program", "read it with the version that ran the experiment")
            } else {
                ("no file of request rows, or its head is damaged", "take it away and run the experiment again")
            };
            return Err(FileError::invalid(path, why, todo));
        }
        let body = length - HEADER as u64;
        Ok(RowsReader { file, path: path.to_owned(), left: body / ROW as u64, torn: body % ROW as u64 })
    }

    /// Whole rows still to be read.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes of a last row that a crash left unfinished; they are passed over.
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Up to `most` further rows; none at the end.
    ///
    /// # Errors
    /// [`FileError::Io`]; [`FileError::Invalid`] for a row that no run writes.
    pub fn next_batch(&mut self, most: usize) -> Result<Vec<RequestRecord>, FileError> {
        let take = self.left.min(most as u64);
        let mut rows = vec![RequestRecord::planned(0, Instant::START, 0); take as usize];
        self.file.read_exact(bytemuck::cast_slice_mut(&mut rows)).map_err(FileError::io(&self.path, "read"))?;
        self.left -= take;
        // After a power cut the tail of a file may be zeros that were never written.
        if let Some(zeros) = rows.iter().position(|row| bytemuck::bytes_of(row).iter().all(|&byte| byte == 0)) {
            rows.truncate(zeros);
            self.torn += (take - zeros as u64 + self.left) * ROW as u64;
            self.left = 0;
        }
        if rows.iter().any(|row| row.outcome().is_none()) {
            let why = "holds a row with an unknown outcome: it is damaged";
            return Err(FileError::invalid(&self.path, why, "take it away and run the experiment again"));
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
        fn rows_come_back_as_they_were_written(batches in prop::collection::vec(records(), 0..4), most in 1..7usize) {
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
    fn a_torn_last_row_is_passed_over() {
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
    fn a_tail_of_zeros_is_passed_over() {
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
    fn what_is_no_file_of_rows_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        let mut other = header();
        other[8] ^= 3;
        let mut damaged = header().to_vec();
        damaged.extend([0xff; ROW]);
        for (bytes, says) in [(&b""[..], "no file"), (b"PAR1 and so on, for long", "no file"), (&other, "version")] {
            std::fs::write(&path, bytes).unwrap();
            let error = RowsReader::open(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        std::fs::write(&path, damaged).unwrap();
        let error = RowsReader::open(&path).unwrap().next_batch(1).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
}
