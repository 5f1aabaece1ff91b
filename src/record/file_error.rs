use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a file could not be written or read. Each message names the file, and most contain a remedy.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum FileError {
    /// A file of a results folder.
    #[error("cannot {operation} {}: {source}{}", path.display(), remedy(operation, source))]
    Io {
        path: PathBuf,
        /// `write`, `read`, `create` or `remove`.
        operation: &'static str,
        source: io::Error,
    },
    /// A file that the user named.
    #[error("cannot write {}: {source}{}", path.display(), output_remedy(source))]
    Output { path: PathBuf, source: io::Error },
    /// A file that this program did not write, or a damaged one.
    #[error("cannot read {}: {why}. {remedy}", path.display())]
    Invalid { path: PathBuf, why: String, remedy: &'static str },
    /// A file with an extension that has no format for attempts.
    #[error("cannot record attempts in {}: its extension names no known format. Use .parquet or .csv", path.display())]
    Format { path: PathBuf },
    /// A line of a text file that cannot be parsed.
    #[error("cannot read {}:{line}: {why}. Correct or delete that line", path.display())]
    Line { path: PathBuf, line: u64, why: String },
}

impl FileError {
    /// The same error for a file that the user named, which has other remedies than a file of a results folder.
    pub(super) fn for_output(self) -> FileError {
        match self {
            FileError::Io { path, source, .. } => FileError::Output { path, source },
            other => other,
        }
    }

    /// For `map_err`: an I/O error in an `operation` (a verb such as `read`) on the file at `path`.
    pub(crate) fn io(path: &Path, operation: &'static str) -> impl Fn(io::Error) -> FileError {
        let path = path.to_owned();
        move |source| FileError::Io { path: path.clone(), operation, source }
    }

    pub(crate) fn invalid(path: &Path, why: impl ToString, remedy: &'static str) -> FileError {
        FileError::Invalid { path: path.to_owned(), why: why.to_string(), remedy }
    }
}

const FILE_SIZE: &str = ". The limit on the size of files is reached: raise it (ulimit -f unlimited)";

fn remedy(operation: &str, error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied if operation == "read" => ". Change its permissions, or run as its owner",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ". For the next run, choose a folder that you can write to (--out)"
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            ". Something else has that name: move it away, or choose another folder for the next run (--out)"
        }
        // Of a read, the text says what the limit is.
        ErrorKind::FileTooLarge if operation != "read" => FILE_SIZE,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ". Free some space, or choose a folder on another disk for the next run (--out)"
        }
        _ => "",
    }
}

fn output_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => ". Create the folder first, or choose a file in another folder",
        ErrorKind::NotADirectory => ". A part of the path is not a folder: choose a file in another folder",
        ErrorKind::IsADirectory => ". Choose a file in that folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::ResourceBusy => {
            ". Choose a file in a folder that you can write to"
        }
        ErrorKind::FileTooLarge => FILE_SIZE,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ". Free some space, or choose a file on another disk",
        _ => "",
    }
}
