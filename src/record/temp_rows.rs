use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

use super::FileError;
use super::rows::{RowsReader, RowsWriter};

/// Records on disk for the duration of a run. The file has no name, so the kernel removes it however the run ends.
#[derive(Debug)]
pub struct TempRows {
    file: File,
    /// The output that the records are for: the file has no name of its own that an error could give.
    path: PathBuf,
}

impl TempRows {
    /// An empty file on the disk of `folder`. Errors name `output`, which the records are for.
    ///
    /// # Errors
    /// [`FileError::Output`] if nothing can be written there.
    pub fn create_in(folder: &Path, output: &Path) -> Result<TempRows, FileError> {
        let path = output.to_owned();
        match tempfile::tempfile_in(folder) {
            Ok(file) => Ok(TempRows { file, path }),
            Err(source) => Err(FileError::Output { path, source }),
        }
    }

    /// The sink that fills the file. Use one at most.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn writer(&self) -> Result<RowsWriter, FileError> {
        RowsWriter::over(self.file_from_start()?, &self.path).map_err(FileError::for_output)
    }

    /// Reads the rows from the first one on. The sink must be finished.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn reader(&self) -> Result<RowsReader, FileError> {
        RowsReader::over(self.file_from_start()?, &self.path).map_err(FileError::for_output)
    }

    fn file_from_start(&self) -> Result<File, FileError> {
        // Both handles share one position in the file.
        let file = self.file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
        file.map_err(|source| FileError::Output { path: self.path.clone(), source })
    }
}
