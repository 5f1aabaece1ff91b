use std::io;
use std::path::{Path, PathBuf};

/// Why a file of a results folder could not be written or read. Each names the file; most say what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot {doing} {}: {source}{}", path.display(), remedy(source))]
    Io {
        path: PathBuf,
        /// `write`, `read`, `create`
        doing: &'static str,
        source: io::Error,
    },
    /// A file that the user asked for by name.
    #[error("cannot write {}: {source}{}", path.display(), output_remedy(source))]
    Output { path: PathBuf, source: io::Error },
    /// Not what this program wrote, or damaged since.
    #[error("{}: {why}; {todo}", path.display())]
    Invalid { path: PathBuf, why: String, todo: &'static str },
    /// A line of a text file that does not read.
    #[error("{}:{line}: {why}; mend or delete that line", path.display())]
    Line { path: PathBuf, line: u64, why: String },
}

impl FileError {
    /// The same of a file that the user named, not of one in a results folder: other things help.
    pub(super) fn for_output(self) -> FileError {
        match self {
            FileError::Io { path, source, .. } => FileError::Output { path, source },
            other => other,
        }
    }

    /// For `map_err`: an I/O error while `doing` something with the file at `path`.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl Fn(io::Error) -> FileError {
        let path = path.to_owned();
        move |source| FileError::Io { path: path.clone(), doing, source }
    }

    pub(super) fn invalid(path: &Path, why: impl ToString, todo: &'static str) -> FileError {
        FileError::Invalid { path: path.to_owned(), why: why.to_string(), todo }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a place that you may write to with --out"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "; something else has that name: move it away, or choose another place with --out"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room, or choose another disk with --out",
        _ => "",
    }
}

fn output_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; make that folder first, or name a file in another",
        io::ErrorKind::NotADirectory => "; what should be its folder is no folder: name a file in another",
        io::ErrorKind::IsADirectory => "; name a file in it",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::ResourceBusy => {
            "; name a file in a folder that you may write to"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room, or name a file on another disk",
        _ => "",
    }
}
