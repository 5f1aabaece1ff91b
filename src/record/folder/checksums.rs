//! `SHA256SUMS`: the checksums of the data in a results folder, as `sha256sum` writes and checks them. Damaged data is an
//! error, never another verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::record_files::{REQUESTS, is_requests_name, names_in};
use super::{DIGEST, EVENTS, PLAN, SAMPLES, exists};
use crate::input;
use crate::record::FileError;
use crate::whole_file;

pub const CHECKSUMS: &str = "SHA256SUMS";

/// The files that may have a checksum, besides those of the records.
const LISTED: [&str; 4] = [PLAN, SAMPLES, EVENTS, DIGEST];

/// A line for each of 65,535 parts takes 6 MiB.
const MAX_BYTES: u64 = 8 << 20;
const REMEDY: &str = "Take the folder from a copy, or run the experiment again. To read a folder that you changed on \
                      purpose, delete its SHA256SUMS";
const DIGEST_REMEDY: &str = "Delete it: the next report makes it again from requests.parquet";

/// The SHA-256 of files by their names, in lower-case hexadecimal digits.
pub type Checksums = BTreeMap<String, String>;

/// Adds the checksums of `files`, or replaces them.
///
/// # Errors
/// [`FileError`] of one of the files, or of `SHA256SUMS`.
pub fn add<N: AsRef<str>>(dir: &Path, files: &[N]) -> Result<(), FileError> {
    let mut sums = read(dir)?.unwrap_or_default();
    for name in files.iter().map(AsRef::as_ref) {
        sums.insert(name.to_owned(), sum(&dir.join(name))?);
    }
    let path = dir.join(CHECKSUMS);
    let lines: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    whole_file::replace(&path, lines.as_bytes()).map_err(FileError::io(&path, "write"))
}

/// Adds the checksums of the files that a run wrote, as far as they exist.
///
/// # Errors
/// Those of [`add`].
pub fn add_data(dir: &Path) -> Result<(), FileError> {
    let names = [PLAN, SAMPLES, EVENTS].map(str::to_owned).into_iter().chain(names_in(dir, REQUESTS));
    let written: Vec<_> = names.filter(|name| exists(&dir.join(name))).collect();
    add(dir, &written)
}

/// Adds the checksum of `digest.jsonl`, unless the folder has no `SHA256SUMS`.
///
/// # Errors
/// Those of [`add`].
pub fn add_digest(dir: &Path) -> Result<(), FileError> {
    if dir.join(CHECKSUMS).symlink_metadata().is_err() { Ok(()) } else { add(dir, &[DIGEST]) }
}

/// Compares the files of `dir` with their checksums, and returns those of the data. A folder without `SHA256SUMS` is not
/// checked. If `is_complete`, every data file needs a checksum; otherwise the records are not checked, since they are
/// written again. `digest.jsonl` may be missing, since it is made of the data.
///
/// # Errors
/// [`FileError::Invalid`] for a file that differs, or is missing.
pub fn verify(dir: &Path, is_complete: bool) -> Result<Checksums, FileError> {
    let listed = read(dir)?;
    let mut names: BTreeSet<String> = LISTED.map(str::to_owned).into();
    names.extend(listed.iter().flat_map(Checksums::keys).cloned());
    names.extend(names_in(dir, REQUESTS));
    let mut found = Checksums::new();
    for name in names.into_iter().filter(|name| is_complete || !is_requests_name(name)) {
        let path = dir.join(&name);
        let expected = listed.as_ref().and_then(|sums| sums.get(&name));
        let must_exist = expected.is_some() && name != DIGEST;
        // The digest is of no use without its data, and is checked against it by whoever uses it.
        let is_read = exists(&path) && (name != DIGEST || expected.is_some());
        if !is_read && !must_exist {
            continue;
        }
        let sum = sum(&path)?;
        if expected.is_some_and(|expected| *expected != sum) {
            let remedy = if name == DIGEST { DIGEST_REMEDY } else { REMEDY };
            return Err(FileError::invalid(&path, "it has changed since the run wrote it", remedy));
        }
        if is_complete && listed.is_some() && expected.is_none() {
            return Err(FileError::invalid(&dir.join(CHECKSUMS), format!("it has no line for {name}"), REMEDY));
        }
        if name != DIGEST {
            found.insert(name, sum);
        }
    }
    Ok(found)
}

/// The checksums by file; `None` if the folder has none.
fn read(dir: &Path) -> Result<Option<Checksums>, FileError> {
    let path = dir.join(CHECKSUMS);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = input::read_regular(&path, MAX_BYTES).map_err(FileError::io(&path, "read"))?;
    let parse = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let (sum, name) = line.split_once("  ")?;
        let is_sum = sum.len() == 64 && sum.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        let is_listed = LISTED.contains(&name) || is_requests_name(name);
        (is_sum && is_listed).then(|| (name.to_owned(), sum.to_owned()))
    };
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let lines: Option<Checksums> = text.split(|&byte| byte == b'\n').map(parse).collect();
    lines.map(Some).ok_or_else(|| FileError::invalid(&path, "it is damaged", REMEDY))
}

/// The SHA-256 of a file in lower-case hexadecimal digits.
///
/// # Errors
/// [`FileError::Io`] if it cannot be read.
pub fn sum(path: &Path) -> Result<String, FileError> {
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
