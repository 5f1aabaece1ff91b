//! Request records as CSV, one line per attempt. The columns are those of `requests.parquet`. An instant that never came
//! is an empty cell.

use std::io::{self, Write as _};

use super::columns::{COLUMNS, ColumnKind};
use super::sink::RecordSink;
use super::{FileError, Outcome, OutputFile, RequestRecord};

/// Writes the records of a run to a CSV file during the run.
pub struct CsvFile {
    output: Option<OutputFile>,
    has_header: bool,
    /// A buffer for the text of a batch.
    text: Vec<u8>,
}

impl CsvFile {
    pub fn new(output: OutputFile) -> CsvFile {
        CsvFile { output: Some(output), has_header: false, text: Vec::new() }
    }

    fn append(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        self.text.clear();
        if !std::mem::replace(&mut self.has_header, true) {
            let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            writeln!(self.text, "{}", names.join(","))?;
        }
        batch.iter().try_for_each(|record| write_line(&mut self.text, record))?;
        output
            .write_all(&self.text)
            .map_err(|source| io::Error::other(FileError::Output { path: output.path().to_owned(), source }))
    }
}

impl RecordSink for CsvFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.append(batch)
    }

    fn finish(&mut self) -> io::Result<()> {
        // Writes the header of a run without attempts.
        self.append(&[])?;
        self.output.take().into_iter().for_each(OutputFile::finish);
        Ok(())
    }
}

/// Appends a line to `text`. No value contains a comma or a quote.
fn write_line(text: &mut Vec<u8>, record: &RequestRecord) -> io::Result<()> {
    for (i, (_, kind)) in COLUMNS.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        match kind {
            ColumnKind::U64(get, _) => write!(text, "{}", get(record))?,
            ColumnKind::U16(get, _) => write!(text, "{}", get(record))?,
            ColumnKind::Bool(get, _) => write!(text, "{}", get(record))?,
            ColumnKind::OptionalU64(get, _) => match get(record) {
                u64::MAX => {}
                value => write!(text, "{value}")?,
            },
            ColumnKind::OptionalU32(get, _) => match get(record) {
                u32::MAX => {}
                value => write!(text, "{value}")?,
            },
            ColumnKind::Outcome => text.extend(record.outcome().map_or("", Outcome::name).as_bytes()),
        }
    }
    text.push(b'\n');
    Ok(())
}
