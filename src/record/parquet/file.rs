use std::io;

use super::{ParquetWriter, convert};
use crate::record::rows::RowsWriter;
use crate::record::sink::RecordSink;
use crate::record::temp_rows::TempRows;
use crate::record::{FileError, OutputFile, RequestRecord};

/// Writes the records of a run to a parquet file: as rows on the same disk during the run, converted at its end.
pub struct ParquetFile {
    output: Option<OutputFile>,
    rows: RowsWriter,
    temp_rows: TempRows,
}

impl ParquetFile {
    /// # Errors
    /// [`FileError::Output`] if nothing can be written in the folder of `output`.
    pub fn new(output: OutputFile) -> Result<ParquetFile, FileError> {
        let temp_rows = TempRows::create_in(output.folder(), output.path())?;
        Ok(ParquetFile { rows: temp_rows.writer()?, temp_rows, output: Some(output) })
    }

    fn convert(&self, output: &OutputFile) -> Result<(), FileError> {
        convert(self.temp_rows.reader()?, ParquetWriter::over(output.file()?, output.path())?)
    }
}

impl RecordSink for ParquetFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.rows.append(batch).map_err(|error| io::Error::other(error.for_output()))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(output) = self.output.take() else { return Ok(()) };
        match self.convert(&output) {
            Ok(()) => output.finish(),
            Err(error) => {
                output.discard();
                return Err(io::Error::other(error.for_output()));
            }
        }
        Ok(())
    }
}
