//! Records as text: a line an attempt, for whatever reads tables. The columns are those of `requests.parquet`; an empty
//! cell is an instant that never came.

use std::io::{self, Write as _};

use super::columns::{COLUMNS, ColumnKind};
use super::sink::RecordSink;
use super::{FileError, Outcome, OutputFile, RequestRecord};

/// Keeps the records of a run in a CSV file, which grows while it goes on.
pub struct CsvFile {
    product: Option<OutputFile>,
    begun: bool,
    /// The batch at hand as text.
    text: Vec<u8>,
}

impl CsvFile {
    pub fn new(product: OutputFile) -> CsvFile {
        CsvFile { product: Some(product), begun: false, text: Vec::new() }
    }

    fn append(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let Some(product) = &mut self.product else { return Ok(()) };
        self.text.clear();
        if !std::mem::replace(&mut self.begun, true) {
            let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            writeln!(self.text, "{}", names.join(","))?;
        }
        batch.iter().try_for_each(|record| line(&mut self.text, record))?;
        product
            .write_all(&self.text)
            .map_err(|source| io::Error::other(FileError::Output { path: product.path().to_owned(), source }))
    }
}

impl RecordSink for CsvFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.append(batch)
    }

    fn finish(&mut self) -> io::Result<()> {
        // A run without attempts has its header too.
        self.append(&[])?;
        self.product.take().into_iter().for_each(OutputFile::finish);
        Ok(())
    }
}

/// One line. No value holds a comma or a quote.
fn line(text: &mut Vec<u8>, record: &RequestRecord) -> io::Result<()> {
    for (i, (_, kind)) in COLUMNS.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        match kind {
            ColumnKind::Long(get, _) => write!(text, "{}", get(record))?,
            ColumnKind::Short(get, _) => write!(text, "{}", get(record))?,
            ColumnKind::Flag(get, _) => write!(text, "{}", get(record))?,
            ColumnKind::MaybeLong(get, _) => match get(record) {
                u64::MAX => {}
                value => write!(text, "{value}")?,
            },
            ColumnKind::MaybeInt(get, _) => match get(record) {
                u32::MAX => {}
                value => write!(text, "{value}")?,
            },
            ColumnKind::Outcome => text.extend(record.outcome().map_or("", Outcome::name).as_bytes()),
        }
    }
    text.push(b'\n');
    Ok(())
}
