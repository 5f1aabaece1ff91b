//! Files that appear under their name complete or not at all. Until then they have a random name beside it, which is
//! created anew and never through a link.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

const SUFFIX: &str = ".partial";

/// Creates an empty file for the content of `path`, in the same folder. `persist` gives it its name; without that it is
/// removed when dropped.
///
/// # Errors
/// If nothing can be created in the folder.
pub fn create_beside(path: &Path) -> io::Result<NamedTempFile> {
    // As for any new file, the umask then applies.
    let everybody = Permissions::from_mode(0o666);
    Builder::new().prefix(&prefix(path)).suffix(SUFFIX).permissions(everybody).tempfile_in(folder(path))
}

/// Writes `bytes` to the file at `path`, which no reader sees incomplete. A link at `path` is replaced.
///
/// # Errors
/// If the file cannot be written. What was at `path` is then unchanged.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_beside(path)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Removes what a process that was killed left of the content of `path`.
pub fn remove_leftovers(path: &Path) {
    remove_beginning(folder(path), &prefix(path));
}

/// Removes what a process that was killed left of any file in `folder`.
pub fn remove_all_leftovers(folder: &Path) {
    remove_beginning(folder, ".");
}

fn remove_beginning(folder: &Path, prefix: &str) {
    let is_left = |name: &str| name.starts_with(prefix) && name.ends_with(SUFFIX);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            // If this fails, it stays.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().display())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_and_its_target_is_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("summary.json"), dir.path().join("victim"));
        fs::write(&target, "mine").unwrap();
        // Names that were once used for incomplete files.
        for link in ["summary.json", "summary.json.partial", "summary.json.part"] {
            std::os::unix::fs::symlink(&target, dir.path().join(link)).unwrap();
        }
        replace(&path, b"{}").unwrap();
        assert_eq!((fs::read(&target).unwrap(), fs::read(&path).unwrap()), (b"mine".to_vec(), b"{}".to_vec()));
        assert!(!path.is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing else is left");
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_new_file() {
        let dir = tempfile::tempdir().unwrap();
        replace(&dir.path().join("a"), b"").unwrap();
        fs::write(dir.path().join("b"), "").unwrap();
        let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("a"), mode("b"));
    }

    #[test]
    fn leftovers_of_a_killed_process_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let left = create_beside(&path).unwrap().keep().unwrap().1;
        for name in [".b.x.partial", ".a.x", "a.partial"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_leftovers(&path);
        assert!(!left.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "files of others stay");
        remove_all_leftovers(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "only those with the suffix were left");
    }
}
