use std::io;

use super::{ParquetWriter, convert};
use crate::record::rows::RowsWriter;
use crate::record::sink::RecordSink;
use crate::record::temp_rows::TempRows;
use crate::record::{FileError, OutputFile, RequestRecord};

/// Keeps the records of a run in a parquet file: as rows on the same disk while it goes on, converted at its end.
pub struct ParquetFile {
    product: Option<OutputFile>,
    rows: RowsWriter,
    spool: TempRows,
}

impl ParquetFile {
    /// # Errors
    /// [`FileError::Output`] if nothing can be written beside `product`.
    pub fn new(product: OutputFile) -> Result<ParquetFile, FileError> {
        let spool = TempRows::within(product.folder())?;
        Ok(ParquetFile { rows: spool.writer()?, spool, product: Some(product) })
    }

    fn convert(&self, product: &OutputFile) -> Result<(), FileError> {
        convert(self.spool.reader()?, ParquetWriter::over(product.file()?, product.path())?)
    }
}

impl RecordSink for ParquetFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.rows.append(batch).map_err(|error| io::Error::other(error.for_output()))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(product) = self.product.take() else { return Ok(()) };
        match self.convert(&product) {
            Ok(()) => product.finish(),
            Err(error) => {
                product.abandon();
                return Err(io::Error::other(error.for_output()));
            }
        }
        Ok(())
    }
}
