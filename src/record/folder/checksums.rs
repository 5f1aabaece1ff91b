//! `SHA256SUMS`: the checksums of the data in a results folder, as `sha256sum` writes and checks them. Damaged data is an
//! error, never another verdict.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::{EVENTS, PLAN, REQUESTS, SAMPLES};
use crate::input;
use crate::record::FileError;
use crate::whole_file;

pub const CHECKSUMS: &str = "SHA256SUMS";

/// The files that have a checksum once a run has ended.
pub const DATA: [&str; 4] = [PLAN, REQUESTS, SAMPLES, EVENTS];

const MAX_BYTES: u64 = 4096;
const REMEDY: &str = "Take the folder from a copy, or run the experiment again. To read a folder that you changed on \
                      purpose, delete its SHA256SUMS";

/// Adds the checksums of `files`, or replaces them.
///
/// # Errors
/// [`FileError`] of one of the files, or of `SHA256SUMS`.
pub fn add(dir: &Path, files: &[&'static str]) -> Result<(), FileError> {
    let mut sums = read(dir)?.unwrap_or_default();
    for &name in files {
        sums.insert(name, sum(&dir.join(name))?);
    }
    let path = dir.join(CHECKSUMS);
    let lines: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    whole_file::replace(&path, lines.as_bytes()).map_err(FileError::io(&path, "write"))
}

/// Compares the files of `dir` with their checksums. A folder without `SHA256SUMS` is not checked. If `is_complete`, every
/// data file needs a checksum; otherwise `requests.parquet` is not checked, since it is written again.
///
/// # Errors
/// [`FileError::Invalid`] for a file that differs, or is missing.
pub fn verify(dir: &Path, is_complete: bool) -> Result<(), FileError> {
    let Some(sums) = read(dir)? else { return Ok(()) };
    for (name, expected) in &sums {
        let path = dir.join(name);
        if !is_complete && *name == REQUESTS {
            continue;
        }
        if sum(&path)? != *expected {
            return Err(FileError::invalid(&path, "it has changed since the run wrote it", REMEDY));
        }
    }
    let is_missing = |name: &&&str| !sums.contains_key(**name) && dir.join(name).symlink_metadata().is_ok();
    match DATA.iter().find(|name| is_complete && is_missing(name)) {
        Some(name) => Err(FileError::invalid(&dir.join(CHECKSUMS), format!("it has no line for {name}"), REMEDY)),
        None => Ok(()),
    }
}

/// The checksums by file; `None` if the folder has none.
fn read(dir: &Path) -> Result<Option<BTreeMap<&'static str, String>>, FileError> {
    let path = dir.join(CHECKSUMS);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = input::read_regular(&path, MAX_BYTES).map_err(FileError::io(&path, "read"))?;
    let parse = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let (sum, name) = line.split_once("  ")?;
        let is_sum = sum.len() == 64 && sum.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        Some((DATA.into_iter().find(|data| *data == name && is_sum)?, sum.to_owned()))
    };
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let lines: Option<BTreeMap<_, _>> = text.split(|&byte| byte == b'\n').map(parse).collect();
    lines.map(Some).ok_or_else(|| FileError::invalid(&path, "it is damaged", REMEDY))
}

/// The SHA-256 of a file in lower-case hexadecimal digits.
fn sum(path: &Path) -> Result<String, FileError> {
    let io = FileError::io(path, "read");
    let mut file: File = input::open_regular(path, input::MAX_DATA).map_err(&io)?;
    let (mut context, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(&io)? {
            0 => return Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => context.update(&buffer[..read]),
        }
    }
}
