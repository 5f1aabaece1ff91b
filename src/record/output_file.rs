//! Files that a load writes where the user asks for. They are created before the load, so that a file that cannot be
//! written is an error before the load begins. They never overwrite a file of the user.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::FileError;

/// An output file. An existing file at its path is renamed to `NAME.~1~`, `NAME.~2~`, ... (the numbered backups of GNU).
/// If the output file is dropped empty and unfinished, it is removed, and the backup gets its name back.
///
/// Devices, pipes and standard output (`-`, `/dev/stdout`) are opened as they are. A closed pipe is not an error.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: File,
    /// Whether this program created the file, and so may remove it.
    is_created: bool,
    /// The backup of the file that was at the path.
    backup: Option<PathBuf>,
    finished: bool,
}

impl OutputFile {
    /// Renames an existing file at `path`, and creates an empty one. `-` is standard output.
    ///
    /// # Errors
    /// [`FileError::Output`] if the folder does not exist, or the file cannot be created.
    pub fn create(path: &Path) -> Result<OutputFile, FileError> {
        let error = |source| FileError::Output { path: path.to_owned(), source };
        let open_as_it_is = |file: io::Result<File>| {
            let (path, file) = (path.to_owned(), file.map_err(error)?);
            Ok(OutputFile { path, file, is_created: false, backup: None, finished: false })
        };
        if path == Path::new("-") {
            return open_as_it_is(duplicate(&io::stdout()));
        }
        let backup = match fs::metadata(path) {
            Ok(found) if is_same_file(&found, &io::stdout()) => return open_as_it_is(duplicate(&io::stdout())),
            Ok(found) if is_same_file(&found, &io::stderr()) => return open_as_it_is(duplicate(&io::stderr())),
            Ok(found) if !found.is_file() || is_in_dev_or_proc(path) => {
                return open_as_it_is(OpenOptions::new().append(true).open(path));
            }
            Ok(_) => Some(back_up(path).map_err(error)?),
            Err(source) if source.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(error(source)),
        };
        match OpenOptions::new().write(true).create(true).truncate(true).open(path) {
            Ok(file) => Ok(OutputFile { path: path.to_owned(), file, is_created: true, backup, finished: false }),
            Err(source) => {
                if let Some(backup) = backup {
                    // If this fails, the user still has the backup.
                    let _ = fs::rename(backup, path);
                }
                Err(error(source))
            }
        }
    }

    /// Whether a file at `path` is standard output: `-`, a name of it in `/dev` or `/proc`, or the file that it is
    /// redirected to.
    pub fn is_standard_output(path: &Path) -> bool {
        const NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        // A terminal is often both standard output and standard error.
        NAMES.iter().any(|name| path == Path::new(name))
            || fs::metadata(path)
                .is_ok_and(|found| is_same_file(&found, &io::stdout()) && !is_same_file(&found, &io::stderr()))
    }

    /// Where the file is, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the file.
    pub fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Writes the complete content and finishes the file. After a failure the file is discarded.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn write_and_finish(mut self, bytes: &[u8]) -> Result<(), FileError> {
        if let Err(source) = self.write_all(bytes) {
            let path = self.path.clone();
            self.discard();
            return Err(FileError::Output { path, source });
        }
        self.finish();
        Ok(())
    }

    /// Removes an incomplete file. The file that was there before gets its name back.
    pub fn discard(self) {
        if self.is_created {
            // If this fails, the incomplete file stays.
            let _ = self.file.set_len(0);
        }
    }

    /// Keeps the file, even if it is empty.
    pub fn finish(mut self) {
        self.finished = true;
    }

    /// A second handle of the file, for writers that need to own one.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn file(&self) -> Result<File, FileError> {
        self.file.try_clone().map_err(|source| FileError::Output { path: self.path.clone(), source })
    }

    fn is_still_empty(&self) -> bool {
        let here = self.file.metadata().ok().zip(fs::metadata(&self.path).ok());
        here.is_some_and(|(ours, there)| ours.len() == 0 && (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.finished || !self.is_created || !self.is_still_empty() {
            return;
        }
        // If this fails, the user still has the backup.
        let _ = match &self.backup {
            Some(backup) => fs::rename(backup, &self.path),
            None => fs::remove_file(&self.path),
        };
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Renames the file at `path` to its next numbered backup, and returns the path of that.
fn back_up(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let taken =
        fs::read_dir(folder_of(path))?.flatten().filter_map(|entry| backup_number(name, &entry.file_name())).max();
    let mut n = taken.unwrap_or(0) + 1;
    loop {
        let mut backup = name.to_owned();
        backup.push(format!(".~{n}~"));
        let backup = path.with_file_name(backup);
        match renameat_with(CWD, path, CWD, &backup, RenameFlags::NOREPLACE).map_err(io::Error::from) {
            Ok(()) => return Ok(backup),
            // Another program has taken that number in the meantime.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => n += 1,
            // The file system does not support NOREPLACE.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return fs::rename(path, &backup).map(|()| backup);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The `n` of `NAME.~n~`.
fn backup_number(name: &OsStr, backup: &OsString) -> Option<u64> {
    let rest = backup.as_encoded_bytes().strip_prefix(name.as_encoded_bytes())?;
    let digits = rest.strip_prefix(b".~")?.strip_suffix(b"~")?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|n| *n < u64::MAX)
}

fn duplicate(stream: &impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// Whether `found` is the file of `stream`. With two offsets in one file, the writes would overwrite each other.
fn is_same_file(found: &fs::Metadata, stream: &impl AsFd) -> bool {
    duplicate(stream)
        .and_then(|file| file.metadata())
        .is_ok_and(|ours| (ours.dev(), ours.ino()) == (found.dev(), found.ino()))
}

/// Names in `/dev` and `/proc` are never renamed, even if they are links to regular files.
fn is_in_dev_or_proc(path: &Path) -> bool {
    folder_of(path).canonicalize().is_ok_and(|folder| folder.starts_with("/dev") || folder.starts_with("/proc"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        (dir, path)
    }

    fn write(path: &Path, text: &str) {
        OutputFile::create(path).unwrap().write_and_finish(text.as_bytes()).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().flatten().map(|e| e.file_name().into_string()).collect();
        names.sort();
        names.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn an_existing_file_is_renamed_to_the_next_number() {
        let (dir, path) = folder();
        fs::write(dir.path().join("out.csv.~7~"), "much older").unwrap();
        fs::write(dir.path().join("out.csv.~x~"), "another's").unwrap();
        ["one", "two", "three"].iter().for_each(|text| write(&path, text));
        assert_eq!(names(dir.path()), ["out.csv", "out.csv.~7~", "out.csv.~8~", "out.csv.~9~", "out.csv.~x~"]);
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!([read("out.csv.~8~"), read("out.csv.~9~"), read("out.csv")], ["one", "two", "three"]);
    }

    #[test]
    fn a_run_that_never_began_changes_nothing() {
        let (dir, path) = folder();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(names(dir.path()), [""; 0]);
        fs::write(&path, "mine").unwrap();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!((names(dir.path()), fs::read_to_string(&path).unwrap()), (vec!["out.csv".into()], "mine".into()));
    }

    #[test]
    fn a_file_that_is_finished_or_not_empty_stays() {
        let (dir, path) = folder();
        OutputFile::create(&path).unwrap().finish();
        OutputFile::create(&path).unwrap().write_all(b"half").unwrap();
        assert_eq!(names(dir.path()), ["out.csv", "out.csv.~1~"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "half");
    }

    #[test]
    fn a_file_of_another_program_is_not_removed() {
        let (_dir, path) = folder();
        let output = OutputFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        drop(output);
        assert!(path.exists());
    }

    #[test]
    fn a_link_is_renamed_and_its_target_is_unchanged() {
        let (dir, path) = folder();
        let target = dir.path().join("target");
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        write(&path, "new");
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        assert_eq!(fs::read_link(dir.path().join("out.csv.~1~")).unwrap(), target);
        assert!(!path.is_symlink());
    }

    #[test]
    fn special_files_are_written_to_as_they_are() {
        write(Path::new("/dev/null"), "text");
        assert!(!Path::new("/dev/null.~1~").exists() && !fs::metadata("/dev/null").unwrap().is_file());

        // A regular file with a name in /proc is opened there, never renamed there.
        let (dir, path) = folder();
        let file = File::create(&path).unwrap();
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        write(Path::new(&name), "text");
        assert_eq!((names(dir.path()), fs::read_to_string(&path).unwrap()), (vec!["out.csv".into()], "text".into()));

        // A pipe whose reader reads what was written and then closes it.
        let (mut reader, writer) = io::pipe().unwrap();
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        write(Path::new(&name), "text");
        let mut piped = OutputFile::create(Path::new(&name)).unwrap();
        drop(writer);
        piped.write_all(b" more").unwrap();
        let mut read = [0; 9];
        reader.read_exact(&mut read).unwrap();
        drop(reader);
        piped.write_all(b"lost").unwrap();
        assert_eq!(&read, b"text more");
    }

    #[test]
    fn a_path_that_cannot_be_written_has_a_remedy_and_nothing_is_moved() {
        let (dir, path) = folder();
        fs::write(&path, "mine").unwrap();
        for (path, says) in [
            (dir.path().join("none/out.csv"), "Create the folder first"),
            (path.join("below"), "is not a folder"),
            (dir.path().to_owned(), "Choose a file in that folder"),
        ] {
            let error = OutputFile::create(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()) && error.contains(says), "{error}");
        }
        let error =
            OutputFile::create(Path::new("/dev/full")).unwrap().write_and_finish(b"text").unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("Free some space"), "{error}");
        assert_eq!(names(dir.path()), ["out.csv"]);
    }
}
