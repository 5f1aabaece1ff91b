use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

use super::FileError;
use super::rows::{RowsReader, RowsWriter};

/// Records on disk for as long as a run needs them. The file has no name: nothing of it is left, whatever ends the run.
#[derive(Debug)]
pub struct TempRows {
    file: File,
    /// What errors call it.
    path: PathBuf,
}

impl TempRows {
    /// On the disk of a folder.
    ///
    /// # Errors
    /// [`FileError::Output`] if nothing can be written there.
    pub fn within(folder: &Path) -> Result<TempRows, FileError> {
        let path = folder.to_owned();
        match tempfile::tempfile_in(folder) {
            Ok(file) => Ok(TempRows { file, path }),
            Err(source) => Err(FileError::Output { path, source }),
        }
    }

    /// The keeper that fills it. There is one.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn writer(&self) -> Result<RowsWriter, FileError> {
        RowsWriter::over(self.at_start()?, &self.path).map_err(FileError::for_output)
    }

    /// Its rows from the first one on, once the keeper is done.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn reader(&self) -> Result<RowsReader, FileError> {
        RowsReader::over(self.at_start()?, &self.path).map_err(FileError::for_output)
    }

    fn at_start(&self) -> Result<File, FileError> {
        // A second handle has the same place in the file as the first.
        let file = self.file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
        file.map_err(|source| FileError::Output { path: self.path.clone(), source })
    }
}
