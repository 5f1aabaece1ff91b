//! `latencies.txt` as wrk2's `-P` writes it: a line per thread with the response times of its answered requests in us, in
//! order of completion, each followed by a space. Unlike the file of wrk2, it contains all of them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use super::sink::RecordSink;
use super::{FileError, OutputFile, RequestRecord};
use crate::units::{Instant, Time};

/// The number that the file holds for an attempt: the response time of an answered request in us, rounded as in the
/// histograms.
fn latency(record: &RequestRecord) -> Option<u64> {
    record.answer_time().map(Time::round_to_us)
}

/// The text of the file, from records in any order.
pub fn format_latency_lines(threads: u16, records: &[RequestRecord]) -> String {
    let answers = records.iter().filter_map(|r| Some((r.thread, r.end, latency(r)?)));
    let mut answers: Vec<(u16, Instant, u64)> = answers.collect();
    answers.sort_unstable();
    let mut text = String::with_capacity(answers.len() * 8);
    for thread in 0..threads {
        for (_, _, us) in &answers[first_answer(&answers, thread)..first_answer(&answers, thread + 1)] {
            // Writing to a String never fails.
            let _ = write!(text, "{us} ");
        }
        text.push('\n');
    }
    text
}

/// The index of the first answer of `thread`.
fn first_answer(answers: &[(u16, Instant, u64)], thread: u16) -> usize {
    answers.partition_point(|(of, _, _)| *of < thread)
}

/// Writes the file in a run of any length: the line of each thread grows in a separate file, and the lines are joined
/// at the end.
pub struct LatencyFile {
    output: Option<OutputFile>,
    /// The line of each thread, in a file without a name.
    lines: Vec<BufWriter<File>>,
}

impl LatencyFile {
    /// # Errors
    /// [`FileError::Output`] if nothing can be written in the folder of `output`.
    pub fn new(output: OutputFile, threads: usize) -> Result<LatencyFile, FileError> {
        let lines: io::Result<Vec<_>> =
            (0..threads).map(|_| tempfile::tempfile_in(output.folder()).map(BufWriter::new)).collect();
        match lines {
            Ok(lines) => Ok(LatencyFile { output: Some(output), lines }),
            Err(source) => Err(FileError::Output { path: output.path().to_owned(), source }),
        }
    }

    fn append(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        for record in batch {
            if let Some(us) = latency(record)
                && let Some(line) = self.lines.get_mut(usize::from(record.thread))
            {
                write!(line, "{us} ")?;
            }
        }
        Ok(())
    }

    fn join_lines(&mut self, output: &mut OutputFile) -> io::Result<()> {
        for line in &mut self.lines {
            line.flush()?;
            line.rewind()?;
            io::copy(line.get_mut(), output)?;
            output.write_all(b"\n")?;
        }
        Ok(())
    }

    fn error(&self, source: io::Error) -> io::Error {
        let path = self.output.as_ref().map(|output| output.path().to_owned());
        io::Error::other(FileError::Output { path: path.unwrap_or_default(), source })
    }
}

impl RecordSink for LatencyFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.append(batch).map_err(|source| self.error(source))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(mut output) = self.output.take() else { return Ok(()) };
        match self.join_lines(&mut output) {
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

    fn answer(thread: u16, due: u64, end: u64) -> RequestRecord {
        let mut record =
            RequestRecord { end: Instant(end), status: 200, ..RequestRecord::planned(0, Instant(due), thread) };
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        record
    }

    #[test]
    fn each_thread_has_a_line_in_order_of_completion() {
        let mut broken = answer(0, 0, 1);
        broken.set_outcome(Outcome::ReadError);
        let records = [answer(2, 0, 9_000), answer(0, 1_000, 8_400), answer(0, 0, 4_000), broken];
        assert_eq!(format_latency_lines(3, &records), "4 7 \n\n9 \n");
    }

    #[test]
    fn the_numbers_are_those_of_the_histograms() {
        let records: Vec<_> = [1_499, 1_500, 999_499, 999_500].map(|end| answer(0, 0, end)).into();
        assert_eq!(format_latency_lines(1, &records), "1 2 999 1000 \n");
        let mut latencies = Latencies::default();
        records.iter().for_each(|record| latencies.add(record));
        let counted: Vec<u64> = latencies.response.iter_recorded().map(|step| step.value_iterated_to()).collect();
        assert_eq!(counted, [1, 2, 999, 1000]);
    }

    #[test]
    fn batches_make_the_same_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latencies.txt");
        let records: Vec<_> = (0..20_000).map(|i| answer([2, 0][i % 2], 0, i as u64 * 50_000)).collect();
        let mut sink = LatencyFile::new(OutputFile::create(&path).unwrap(), 3).unwrap();
        records.chunks(1024).for_each(|batch| sink.consume(batch).unwrap());
        sink.finish().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap() == format_latency_lines(3, &records));
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
