use std::io;

use super::{ParquetWriter, convert};
use crate::record::rows::RowsWriter;
use crate::record::sink::RecordSink;
use crate::record::spool::Spool;
use crate::record::{FileError, Product, RequestRecord};

/// Keeps the records of a run in a parquet file: as rows on the same disk while it goes on, converted at its end.
pub struct ParquetFile {
    product: Option<Product>,
    rows: RowsWriter,
    spool: Spool,
}

impl ParquetFile {
    /// # Errors
    /// [`FileError::Product`] if nothing can be written beside `product`.
    pub fn new(product: Product) -> Result<ParquetFile, FileError> {
        let spool = Spool::within(product.folder())?;
        Ok(ParquetFile { rows: spool.writer()?, spool, product: Some(product) })
    }

    fn convert(&self, product: &Product) -> Result<(), FileError> {
        convert(self.spool.reader()?, ParquetWriter::over(product.file()?, product.path())?)
    }
}

impl RecordSink for ParquetFile {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.rows.append(batch).map_err(|error| io::Error::other(error.of_product()))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(product) = self.product.take() else { return Ok(()) };
        match self.convert(&product) {
            Ok(()) => product.finish(),
            Err(error) => {
                product.abandon();
                return Err(io::Error::other(error.of_product()));
            }
        }
        Ok(())
    }
}
