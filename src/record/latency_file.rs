//! `latencies.txt` as wrk2's `-P` writes it: a line per thread with the response times of its answered requests in us, in
//! order of completion, each followed by a space. Unlike the file of wrk2, it contains all of them.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::slice;

use super::sink::RecordSink;
use super::{FileError, OutputFile, RequestRecord};
use crate::units::Time;

/// The number that the file holds for an attempt: the response time of an answered request in us, rounded as in the
/// histograms.
fn latency(record: &RequestRecord) -> Option<u64> {
    record.answer_time().map(Time::round_to_us)
}

/// The lines of the file, which grow in files without names: a run may be of any length.
pub struct LatencyLines(Vec<BufWriter<File>>);

impl LatencyLines {
    /// Empty lines of `threads` threads, on the disk of `folder`.
    ///
    /// # Errors
    /// If nothing can be created there.
    pub fn create_in(folder: &Path, threads: usize) -> io::Result<LatencyLines> {
        let lines = (0..threads).map(|_| tempfile::tempfile_in(folder).map(BufWriter::new));
        lines.collect::<io::Result<_>>().map(LatencyLines)
    }

    /// Adds the answers among `records`.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn add(&mut self, records: &[RequestRecord]) -> io::Result<()> {
        for record in records {
            if let Some(us) = latency(record)
                && let Some(line) = self.0.get_mut(usize::from(record.thread))
            {
                line.write_all(Digits::of(us).and_space())?;
            }
        }
        Ok(())
    }

    /// Writes the lines of consecutive parts of a run to `output`.
    ///
    /// # Errors
    /// If a line cannot be read, or `output` cannot be written.
    pub fn join_into(parts: &mut [LatencyLines], output: &mut impl Write) -> io::Result<()> {
        let threads = parts.first().map_or(0, |part| part.0.len());
        for thread in 0..threads {
            for line in parts.iter_mut().filter_map(|part| part.0.get_mut(thread)) {
                line.flush()?;
                line.rewind()?;
                io::copy(line.get_mut(), output)?;
            }
            output.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// A number as text, which `write!` makes five times as slowly.
struct Digits {
    /// Digits and a space, at the end.
    text: [u8; 21],
    start: usize,
}

impl Digits {
    fn of(mut number: u64) -> Digits {
        let mut digits = Digits { text: [b' '; 21], start: 20 };
        loop {
            digits.start -= 1;
            digits.text[digits.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return digits;
            }
        }
    }

    fn and_space(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// Writes the file where the user wants it.
pub struct LatencyFile {
    output: Option<OutputFile>,
    lines: LatencyLines,
}

impl LatencyFile {
    /// # Errors
    /// [`FileError::Output`] if nothing can be written in the folder of `output`.
    pub fn new(output: OutputFile, threads: usize) -> Result<LatencyFile, FileError> {
        match LatencyLines::create_in(output.folder(), threads) {
            Ok(lines) => Ok(LatencyFile { output: Some(output), lines }),
            Err(source) => Err(FileError::Output { path: output.path().to_owned(), source }),
        }
    }

    fn error(&self, source: io::Error) -> io::Error {
        let path = self.output.as_ref().map(|output| output.path().to_owned());
        io::Error::other(FileError::Output { path: path.unwrap_or_default(), source })
    }
}

impl RecordSink for LatencyFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.lines.add(batch).map_err(|source| self.error(source))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(mut output) = self.output.take() else { return Ok(()) };
        match LatencyLines::join_into(slice::from_mut(&mut self.lines), &mut output) {
            Ok(()) => {
                output.finish();
                Ok(())
            }
            Err(source) => {
                let path = output.path().to_owned();
                output.discard();
                Err(io::Error::other(FileError::Output { path, source }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Latencies, Outcome};
    use super::*;
    use crate::units::Instant;

    fn answer(thread: u16, due: u64, end: u64) -> RequestRecord {
        let mut record =
            RequestRecord { end: Instant(end), status: 200, ..RequestRecord::planned(0, Instant(due), thread) };
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        record
    }

    fn text(threads: usize, records: &[RequestRecord]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = LatencyLines::create_in(dir.path(), threads).unwrap();
        records.chunks(1).for_each(|batch| lines.add(batch).unwrap());
        let mut text = Vec::new();
        LatencyLines::join_into(&mut [lines], &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_thread_has_a_line_in_the_order_of_the_records() {
        let mut broken = answer(0, 0, 1);
        broken.set_outcome(Outcome::ReadError);
        let records = [answer(2, 0, 9_000), answer(0, 0, 4_000), answer(0, 1_000, 8_400), broken];
        assert_eq!(text(3, &records), "4 7 \n\n9 \n");
    }

    #[test]
    fn the_numbers_are_those_of_the_histograms() {
        let records: Vec<_> = [1_499, 1_500, 999_499, 999_500].map(|end| answer(0, 0, end)).into();
        assert_eq!(text(1, &records), "1 2 999 1000 \n");
        let mut latencies = Latencies::default();
        records.iter().for_each(|record| latencies.add(record));
        let counted: Vec<u64> = latencies.response.iter_recorded().map(|step| step.value_iterated_to()).collect();
        assert_eq!(counted, [1, 2, 999, 1000]);
    }

    #[test]
    fn the_file_of_a_run_has_these_lines_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latencies.txt");
        let records: Vec<_> = (0..20_000).map(|i| answer([2, 0][i % 2], 0, i as u64 * 50_000)).collect();
        let mut sink = LatencyFile::new(OutputFile::create(&path).unwrap(), 3).unwrap();
        records.chunks(1024).for_each(|batch| sink.consume(batch).unwrap());
        sink.finish().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap() == text(3, &records));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_to_join_names_the_file() {
        let mut sink = LatencyFile::new(OutputFile::create("/dev/full".as_ref()).unwrap(), 1).unwrap();
        sink.consume(&[answer(0, 0, 1)]).unwrap();
        let error = sink.finish().unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("Free some space"), "{error}");
    }
}
