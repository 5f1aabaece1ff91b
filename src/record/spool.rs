use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

use super::FileError;
use super::rows::{RowsReader, RowsWriter};

/// Records on disk for as long as a run needs them. The file has no name: nothing of it is left, whatever ends the run.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// What errors call it.
    path: PathBuf,
}

impl Spool {
    /// On the disk of a folder.
    ///
    /// # Errors
    /// [`FileError::Product`] if nothing can be written there.
    pub fn within(folder: &Path) -> Result<Spool, FileError> {
        let path = folder.to_owned();
        match tempfile::tempfile_in(folder) {
            Ok(file) => Ok(Spool { file, path }),
            Err(source) => Err(FileError::Product { path, source }),
        }
    }

    /// The keeper that fills it. There is one.
    ///
    /// # Errors
    /// [`FileError::Product`].
    pub fn writer(&self) -> Result<RowsWriter, FileError> {
        RowsWriter::over(self.at_start()?, &self.path).map_err(FileError::of_product)
    }

    /// Its rows from the first one on, once the keeper is done.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn reader(&self) -> Result<RowsReader, FileError> {
        RowsReader::over(self.at_start()?, &self.path).map_err(FileError::of_product)
    }

    fn at_start(&self) -> Result<File, FileError> {
        // A second handle has the same place in the file as the first.
        let file = self.file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
        file.map_err(|source| FileError::Product { path: self.path.clone(), source })
    }
}
