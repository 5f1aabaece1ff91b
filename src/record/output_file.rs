//! Files that a load leaves where the user wants them: opened before the load, so that what can't be written is known
//! then, and never in place of what the user had.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::FileError;

/// A file that is being made. What stood at its path stands beside it as `NAME.~1~`, `NAME.~2~`, ... (GNU's numbered
/// backups). If it goes out of scope with nothing in it and unfinished, all is as it was before.
///
/// A device, a pipe and the program's own standard output (`-`, `/dev/stdout`) are written to as they are; a reader
/// that has left wants no more, which is no error.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: File,
    /// Whether this file is ours to take away again.
    made: bool,
    /// What was set aside for it.
    before: Option<PathBuf>,
    finished: bool,
}

impl OutputFile {
    /// Sets aside what is at `path`, and makes an empty file there. `-` is standard output.
    ///
    /// # Errors
    /// [`FileError::Output`] if the folder isn't there, or nothing can be written in it.
    pub fn create(path: &Path) -> Result<OutputFile, FileError> {
        let cannot = |source| FileError::Output { path: path.to_owned(), source };
        let as_it_is = |file: io::Result<File>| {
            let (path, file) = (path.to_owned(), file.map_err(cannot)?);
            Ok(OutputFile { path, file, made: false, before: None, finished: false })
        };
        if path == Path::new("-") {
            return as_it_is(own(&io::stdout()));
        }
        let before = match fs::metadata(path) {
            Ok(found) if same(&found, &io::stdout()) => return as_it_is(own(&io::stdout())),
            Ok(found) if same(&found, &io::stderr()) => return as_it_is(own(&io::stderr())),
            Ok(found) if !found.is_file() || is_of_the_system(path) => {
                return as_it_is(OpenOptions::new().append(true).open(path));
            }
            Ok(_) => Some(aside(path).map_err(cannot)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(cannot(error)),
        };
        match OpenOptions::new().write(true).create(true).truncate(true).open(path) {
            Ok(file) => Ok(OutputFile { path: path.to_owned(), file, made: true, before, finished: false }),
            Err(error) => {
                if let Some(before) = before {
                    // It was there a moment ago: should this fail, it is still where it was set aside.
                    let _ = fs::rename(before, path);
                }
                Err(cannot(error))
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where files of this run may be beside it.
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Writes the whole of a file that is all there already. After a failure nothing of it is left.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn put(mut self, bytes: &[u8]) -> Result<(), FileError> {
        if let Err(source) = self.write_all(bytes) {
            let path = self.path.clone();
            self.abandon();
            return Err(FileError::Output { path, source });
        }
        self.finish();
        Ok(())
    }

    /// Takes away what there is, since half of it is of no use. What was there before comes back.
    pub fn abandon(self) {
        if self.made {
            // What can't be taken away stays for the user to see.
            let _ = self.file.set_len(0);
        }
    }

    /// It stays, even if it is empty.
    pub fn finish(mut self) {
        self.finished = true;
    }

    /// For writers that want a file of their own, such as one behind a buffer.
    ///
    /// # Errors
    /// [`FileError::Output`].
    pub fn file(&self) -> Result<File, FileError> {
        self.file.try_clone().map_err(|source| FileError::Output { path: self.path.clone(), source })
    }

    fn is_untouched(&self) -> bool {
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
        if self.finished || !self.made || !self.is_untouched() {
            return;
        }
        // Best effort: what can't be put back stays set aside.
        let _ = match &self.before {
            Some(before) => fs::rename(before, &self.path),
            None => fs::remove_file(&self.path),
        };
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Renames the file at `path` to the next of its numbered backups, and says to which.
fn aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let taken = fs::read_dir(folder_of(path))?.flatten().filter_map(|entry| number(name, &entry.file_name())).max();
    let mut n = taken.unwrap_or(0) + 1;
    loop {
        let mut backup = name.to_owned();
        backup.push(format!(".~{n}~"));
        let backup = path.with_file_name(backup);
        match renameat_with(CWD, path, CWD, &backup, RenameFlags::NOREPLACE).map_err(io::Error::from) {
            Ok(()) => return Ok(backup),
            // Another program has just taken that number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => n += 1,
            // A file system that can't promise it; the number was free a moment ago.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return fs::rename(path, &backup).map(|()| backup);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The `n` of `NAME.~n~`.
fn number(name: &OsStr, backup: &OsString) -> Option<u64> {
    let rest = backup.as_encoded_bytes().strip_prefix(name.as_encoded_bytes())?;
    let digits = rest.strip_prefix(b".~")?.strip_suffix(b"~")?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|n| *n < u64::MAX)
}

fn own(stream: &impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// Whether a path leads to where `stream` goes: two offsets in one file would overwrite each other.
fn same(found: &fs::Metadata, stream: &impl AsFd) -> bool {
    own(stream).and_then(|file| file.metadata()).is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
}

/// What is named in `/dev` and `/proc` is never renamed, be it a link to a plain file.
fn is_of_the_system(path: &Path) -> bool {
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

    fn made(path: &Path, text: &str) {
        OutputFile::create(path).unwrap().put(text.as_bytes()).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().flatten().map(|e| e.file_name().into_string()).collect();
        names.sort();
        names.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn what_was_there_is_set_aside_under_the_next_number() {
        let (dir, path) = folder();
        fs::write(dir.path().join("out.csv.~7~"), "much older").unwrap();
        fs::write(dir.path().join("out.csv.~x~"), "another's").unwrap();
        ["one", "two", "three"].iter().for_each(|text| made(&path, text));
        assert_eq!(names(dir.path()), ["out.csv", "out.csv.~7~", "out.csv.~8~", "out.csv.~9~", "out.csv.~x~"]);
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!([read("out.csv.~8~"), read("out.csv.~9~"), read("out.csv")], ["one", "two", "three"]);
    }

    #[test]
    fn a_run_that_never_began_leaves_all_as_it_was() {
        let (dir, path) = folder();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(names(dir.path()), [""; 0]);
        fs::write(&path, "mine").unwrap();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!((names(dir.path()), fs::read_to_string(&path).unwrap()), (vec!["out.csv".into()], "mine".into()));
    }

    #[test]
    fn what_holds_something_or_is_finished_stays() {
        let (dir, path) = folder();
        OutputFile::create(&path).unwrap().finish();
        OutputFile::create(&path).unwrap().write_all(b"half").unwrap();
        assert_eq!(names(dir.path()), ["out.csv", "out.csv.~1~"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "half");
    }

    #[test]
    fn a_file_that_another_put_there_meanwhile_is_not_taken_away() {
        let (_dir, path) = folder();
        let product = OutputFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        drop(product);
        assert!(path.exists());
    }

    #[test]
    fn a_link_is_set_aside_and_what_it_leads_to_is_untouched() {
        let (dir, path) = folder();
        let target = dir.path().join("target");
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        made(&path, "new");
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        assert_eq!(fs::read_link(dir.path().join("out.csv.~1~")).unwrap(), target);
        assert!(!path.is_symlink());
    }

    #[test]
    fn what_is_no_plain_file_is_written_to_as_it_is() {
        made(Path::new("/dev/null"), "text");
        assert!(!Path::new("/dev/null.~1~").exists() && !fs::metadata("/dev/null").unwrap().is_file());

        // A plain file that has a name in /proc too: opened there, never renamed there.
        let (dir, path) = folder();
        let file = File::create(&path).unwrap();
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        made(Path::new(&name), "text");
        assert_eq!((names(dir.path()), fs::read_to_string(&path).unwrap()), (vec!["out.csv".into()], "text".into()));

        // A pipe, whose reader has what was written, and then leaves.
        let (mut reader, writer) = io::pipe().unwrap();
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        made(Path::new(&name), "text");
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
    fn what_cannot_be_written_is_told_with_a_remedy_and_nothing_is_moved() {
        let (dir, path) = folder();
        fs::write(&path, "mine").unwrap();
        for (path, says) in [
            (dir.path().join("none/out.csv"), "make that folder first"),
            (path.join("below"), "is no folder"),
            (dir.path().to_owned(), "name a file in it"),
        ] {
            let error = OutputFile::create(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()) && error.contains(says), "{error}");
        }
        let error = OutputFile::create(Path::new("/dev/full")).unwrap().put(b"text").unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("make room"), "{error}");
        assert_eq!(names(dir.path()), ["out.csv"]);
    }
}
