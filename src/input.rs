//! Opening files that others may have made: results, journals, experiment files, scripts. Nothing here waits for a file
//! that never ends, or fills the memory with one.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The most bytes of the body of a request.
pub const MAX_BODY: u64 = 64 << 20;
/// The most bytes of a script.
pub const MAX_SCRIPT: u64 = 64 << 20;
/// The most bytes of an experiment file. It may contain its script.
pub const MAX_EXPERIMENT: u64 = 128 << 20;
/// The most bytes of a file of certificates.
pub const MAX_CERTIFICATES: u64 = 16 << 20;
/// The most bytes of any other file of a results folder that is read.
pub const MAX_DATA: u64 = 1 << 36;

/// Opens a regular file of at most `most` bytes, or a link to one. A pipe, a device or a folder is an error at once.
///
/// # Errors
/// If the file cannot be opened, is not regular, or has more bytes.
pub fn open_regular(path: &Path, most: u64) -> io::Result<File> {
    check_regular(OpenOptions::new().read(true).custom_flags(no_wait()).open(path)?, most)
}

/// The flag with which opening a pipe without a writer returns at once. It has no effect on regular files.
pub fn no_wait() -> i32 {
    OFlags::NONBLOCK.bits() as i32
}

/// The `file`, if it is regular and has at most `most` bytes.
///
/// # Errors
/// If it is something else, or has more bytes.
pub fn check_regular(file: File, most: u64) -> io::Result<File> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if found.len() > most { Err(too_large(most)) } else { Ok(file) }
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// Those of [`open_regular`], and if it cannot be read.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_to_end(open_regular(path, most)?, most)
}

/// Reads a file that the user named, up to its end. It may be a pipe: `<(...)` in a shell, or `/dev/stdin`.
///
/// # Errors
/// If it cannot be read, or has more than `most` bytes.
pub fn read_named(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_to_end(File::open(path)?, most)
}

/// The text of a file that the user named.
///
/// # Errors
/// Those of [`read_named`], and if it is not UTF-8.
pub fn read_named_text(path: &Path, most: u64) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(read_named(path, most)?).map_err(not_text)
}

fn read_to_end(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    // The file may have grown since it was opened, and a device has no size.
    if bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(bytes) }
}

fn too_large(most: u64) -> io::Error {
    let most = bytesize::ByteSize(most);
    io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {most}, the most that is read"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_within_the_size_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "12345").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        assert_eq!(read_regular(&path("link"), 5).unwrap(), b"12345");
        assert_eq!(read_regular(&path("file"), 4).unwrap_err().kind(), ErrorKind::FileTooLarge);

        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zeros")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for name in ["pipe", "zeros", "", "socket"] {
            // A pipe without a writer would block a plain open for ever.
            assert!(open_regular(&path(name), 5).is_err(), "{name}");
        }
        let error = open_regular(&path("pipe"), 5).unwrap_err();
        assert_eq!(error.to_string(), "it is not a regular file");
    }

    #[test]
    fn a_named_file_may_be_a_pipe_but_not_endless() {
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"a = 1").unwrap();
        drop(writer);
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        assert_eq!(read_named_text(Path::new(&name), 100).unwrap(), "a = 1");
        let error = read_named(Path::new("/dev/zero"), 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "it is larger than 1.0 MiB, the most that is read");
    }
}
