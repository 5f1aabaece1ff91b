//! Where the records of a results folder are: in one file, or, if several generators sent the load, in
//! `parts/part=0/`, `parts/part=1/` and so on, a file for each.

use std::io;
use std::path::Path;

use super::exists;
use crate::record::rows::RowsWriter;
use crate::record::sink::RecordSink;
use crate::record::{FileError, RequestRecord};

pub const REQUESTS: &str = "requests.parquet";
pub const ROWS: &str = "requests.rows";
const PARTS: &str = "parts";

/// The folder of a part, relative to the results folder.
fn part_folder(part: u16) -> String {
    format!("{PARTS}/part={part}")
}

/// The names of the files `name` of a results folder, relative to it: of those that should exist.
pub fn names_in(dir: &Path, name: &str) -> Vec<String> {
    let is_one = [REQUESTS, ROWS].iter().any(|name| exists(&dir.join(name)));
    if is_one || !exists(&dir.join(PARTS)) {
        return vec![name.to_owned()];
    }
    let is_there = |part: &u16| *part == 0 || exists(&dir.join(part_folder(*part)));
    let folders = (0..u16::MAX).take_while(is_there).map(part_folder);
    folders.map(|folder| format!("{folder}/{name}")).collect()
}

/// Whether `name` is that of a file with records, relative to its results folder.
pub fn is_requests_name(name: &str) -> bool {
    let part = || name.strip_prefix("parts/part=")?.strip_suffix("/requests.parquet")?.parse().ok();
    name == REQUESTS || part().is_some_and(|part| format!("{}/{REQUESTS}", part_folder(part)) == name)
}

/// How the threads of a load are divided among several generators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordParts {
    pub parts: u16,
    /// The threads of each part.
    pub threads: usize,
}

impl RecordParts {
    fn part_of(self, record: &RequestRecord) -> usize {
        usize::from(record.thread) / self.threads % usize::from(self.parts)
    }
}

/// Appends the records of a run to `requests.rows`, those of each part to a file of its own.
#[derive(Debug)]
pub struct RunRowsWriter {
    divided: Option<RecordParts>,
    /// One for each part.
    files: Vec<RowsWriter>,
    /// The next records of each part.
    batches: Vec<Vec<RequestRecord>>,
}

impl RunRowsWriter {
    /// Creates the files in the results folder `dir`. Without `divided` there is one file.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create(dir: &Path, divided: Option<RecordParts>) -> Result<RunRowsWriter, FileError> {
        let files = match divided {
            None => vec![RowsWriter::create(&dir.join(ROWS))?],
            Some(RecordParts { parts, .. }) => {
                let create = |part| {
                    let folder = dir.join(part_folder(part));
                    std::fs::create_dir_all(&folder).map_err(FileError::io(&folder, "create"))?;
                    RowsWriter::create(&folder.join(ROWS))
                };
                (0..parts).map(create).collect::<Result<_, _>>()?
            }
        };
        Ok(RunRowsWriter { divided, batches: vec![Vec::new(); files.len()], files })
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn append(&mut self, batch: &[RequestRecord]) -> Result<(), FileError> {
        let (Some(divided), false) = (self.divided, batch.is_empty()) else { return self.files[0].append(batch) };
        for record in batch {
            self.batches[divided.part_of(record)].push(*record);
        }
        for (file, batch) in self.files.iter_mut().zip(&mut self.batches).filter(|(_, batch)| !batch.is_empty()) {
            file.append(batch)?;
            batch.clear();
        }
        Ok(())
    }
}

impl RecordSink for RunRowsWriter {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.append(batch).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    #[test]
    fn the_threads_of_a_part_are_those_that_the_coordinator_gave_it() {
        let divided = RecordParts { parts: 3, threads: 2 };
        let parts: Vec<usize> = (0..12)
            .map(|thread| divided.part_of(&RequestRecord { thread, ..RequestRecord::planned(0, Instant::START, 0) }))
            .collect();
        assert_eq!(parts, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn only_names_that_a_run_writes_are_names_of_records() {
        for name in ["requests.parquet", "parts/part=0/requests.parquet", "parts/part=12/requests.parquet"] {
            assert!(is_requests_name(name), "{name}");
        }
        for name in [
            "parts/part=/requests.parquet",
            "parts/part=01/requests.parquet",
            "parts/part=../requests.parquet",
            "parts/part=70000/requests.parquet",
            "parts/part=1/requests.rows",
            "/requests.parquet",
        ] {
            assert!(!is_requests_name(name), "{name}");
        }
    }
}
