//! Request records on their way to the coordinator. They go to a file without a name first, so that a slow network costs
//! neither memory nor records.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::RequestRecord;
use crate::record::sink::RecordSink;

/// Records in a message.
const PIECE: u64 = 2048;
const ROW: u64 = size_of::<RequestRecord>() as u64;

/// Appends records to the file.
pub struct RowsSpool {
    file: File,
    written: Arc<AtomicU64>,
    needs_unsent: bool,
}

/// Reads the records that were appended.
pub struct RowsReader {
    file: File,
    written: Arc<AtomicU64>,
    read: u64,
}

/// A file on the disk of `folder`, and its reader.
///
/// # Errors
/// If there can be no file.
pub fn create_spool(folder: &Path, needs_unsent: bool) -> io::Result<(RowsSpool, RowsReader)> {
    let file = tempfile::tempfile_in(folder)?;
    let written = Arc::new(AtomicU64::new(0));
    let reader = RowsReader { file: file.try_clone()?, written: Arc::clone(&written), read: 0 };
    Ok((RowsSpool { file, written, needs_unsent }, reader))
}

impl RecordSink for RowsSpool {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        self.file.write_all(bytemuck::cast_slice(batch))?;
        self.written.fetch_add(batch.len() as u64, Ordering::Release);
        Ok(())
    }

    fn needs_unsent(&self) -> bool {
        self.needs_unsent
    }
}

impl RowsReader {
    /// The bytes of the next records. `None` if there are none yet.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let count = (self.written.load(Ordering::Acquire) - self.read).min(PIECE);
        if count == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; (count * ROW) as usize];
        self.file.read_exact_at(&mut bytes, self.read * ROW)?;
        self.read += count;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    #[test]
    fn records_are_read_in_pieces_in_the_order_in_which_they_came() {
        let (mut spool, mut reader) = create_spool(&std::env::temp_dir(), true).unwrap();
        assert_eq!(reader.next_piece().unwrap(), None);
        let records: Vec<_> = (0..2 * PIECE + 1).map(|i| RequestRecord::planned(i, Instant(i), 0)).collect();
        let (first, rest) = records.split_at(PIECE as usize - 1);
        spool.consume(first).unwrap();
        spool.consume(rest).unwrap();
        let pieces: Vec<Vec<u8>> = std::iter::from_fn(|| reader.next_piece().unwrap()).collect();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.concat(), bytemuck::cast_slice::<_, u8>(&records));
    }
}
