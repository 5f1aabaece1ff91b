//! A place for journals that only one test has.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::program::METAWRK;

/// A wrapper of this program that keeps its journals in `dir`.
pub fn with_own_state(dir: &Path) -> PathBuf {
    let path = dir.join("program");
    let text = format!("#!/bin/sh\nXDG_STATE_HOME={} exec {METAWRK} \"$@\"\n", dir.display());
    // Renamed into place: a program that another thread is starting cannot be written to.
    let new = tempfile::NamedTempFile::new_in(dir).unwrap().into_temp_path();
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    new.persist(&path).unwrap();
    path
}

/// The number of journals in the folder of [`with_own_state`].
pub fn journals(dir: &Path) -> usize {
    let all = std::fs::read_dir(dir.join("metawrk/faults")).into_iter().flatten().flatten();
    all.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count()
}
