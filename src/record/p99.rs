//! `url<U>thread<T>.txt` as the wrk2 of DeathStarBench writes it for `-p`: the 99th percentile of a thread's response times
//! in each 0.2 s, one line each, written as soon as it is known. (DeathStarBench writes it for the first thread of each
//! URL only.)

use std::io::{self, Write as _};
use std::path::Path;

use super::sink::RecordSink;
use super::{FileError, OutputFile, RequestRecord};
use crate::stats::percentile;
use crate::units::Time;

/// The time that a line covers.
const WINDOW: Time = Time::from_millis(200);

/// Writes one file per thread.
pub struct P99Files(Vec<P99File>);

struct P99File {
    output: OutputFile,
    /// Lines written so far. It is also the number of the current window.
    lines: u64,
    /// The response times, in us, of the answers that arrived in the current window.
    times: Vec<u64>,
}

impl P99Files {
    /// Creates the files in `folder`, for each thread of each URL. In records the thread numbers of the second URL follow
    /// those of the first, and so on.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn create(folder: &Path, urls: usize, threads: usize) -> Result<P99Files, FileError> {
        let each = (0..urls).flat_map(|url| (0..threads).map(move |thread| (url, thread)));
        let files = each.map(|(url, thread)| {
            let output = OutputFile::create(&folder.join(format!("url{url}thread{thread}.txt")))?;
            Ok(P99File { output, lines: 0, times: Vec::new() })
        });
        Ok(P99Files(files.collect::<Result<_, _>>()?))
    }
}

impl RecordSink for P99Files {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        for record in batch {
            if let Some(file) = self.0.get_mut(usize::from(record.thread))
                && let Some(time) = record.answer_time()
            {
                file.write_until(record.end.0 / WINDOW.0)?;
                file.times.push(time.round_to_us());
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let last = |file: &P99File| file.lines + u64::from(!file.times.is_empty());
        let lines = self.0.iter().map(last).max().unwrap_or(0);
        for mut file in self.0.drain(..) {
            file.write_until(lines)?;
            file.output.finish();
        }
        Ok(())
    }
}

impl P99File {
    /// Writes the lines of all windows before number `window`: 0 for a window without answers.
    fn write_until(&mut self, window: u64) -> io::Result<()> {
        while self.lines < window {
            let p99 = percentile(&mut self.times, 99.0).unwrap_or(0);
            writeln!(self.output, "{p99}").map_err(|source| {
                io::Error::other(FileError::Output { path: self.output.path().to_owned(), source })
            })?;
            self.times.clear();
            self.lines += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Outcome;
    use super::*;
    use crate::units::Instant;

    const MS: u64 = 1_000_000;

    /// An answer at `end` ms with a response time of `us`.
    fn answer(thread: u16, end: u64, us: u64) -> RequestRecord {
        let mut record = RequestRecord::planned(0, Instant(end * MS - us * 1000), thread);
        record.end = Instant(end * MS);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        record
    }

    #[test]
    fn each_thread_has_a_line_for_every_fifth_of_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let mut sink = P99Files::create(dir.path(), 2, 2).unwrap();
        let many: Vec<_> = (1..=100).map(|us| answer(2, 199, us)).collect();
        sink.consume(&many).unwrap();
        let mut failed = answer(2, 399, 9);
        failed.set_outcome(Outcome::ReadError);
        sink.consume(&[answer(3, 10, 7), failed, answer(2, 600, 5)]).unwrap();
        assert_eq!(read("url1thread0.txt"), "99\n0\n0\n", "finished windows are written during the run");
        sink.finish().unwrap();
        assert_eq!(read("url1thread0.txt"), "99\n0\n0\n5\n");
        assert_eq!(read("url1thread1.txt"), "7\n0\n0\n0\n");
        assert_eq!(read("url0thread0.txt"), "0\n0\n0\n0\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_at_once_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        assert!(P99Files::create(&dir.path().join("none"), 1, 1).is_err());
        fs::create_dir(dir.path().join("url0thread1.txt")).unwrap();
        let error = P99Files::create(dir.path(), 1, 2).err().unwrap().to_string();
        assert!(error.contains("url0thread1.txt") && error.contains("directory"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
