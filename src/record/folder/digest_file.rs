//! The files that a report makes of all records once, and then only reads: `digest.jsonl` and `latencies.txt`.

use std::io::{self, BufWriter};
use std::path::Path;

use super::checksums::{self, Checksums};
use super::{DIGEST, LATENCIES};
use crate::record::digest::{Digest, DigestOrigin, format_digest, parse_digest};
use crate::record::{FileError, LatencyLines};
use crate::{input, whole_file};

/// A digest has a bounded size: about 10 MB for an hour.
const MAX_DIGEST: u64 = 1 << 30;

/// The digest in `dir`, if it is of data with these checksums, and if `latencies.txt` still is the one that was written
/// with it.
///
/// # Errors
/// [`FileError`] if it cannot be read, or is damaged.
pub fn read_digest(dir: &Path, sources: &Checksums) -> Result<Option<Digest>, FileError> {
    let path = dir.join(DIGEST);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let text = input::read_regular(&path, MAX_DIGEST).map_err(FileError::io(&path, "read"))?;
    let has_latencies = |sum: &str| checksums::sum(&dir.join(LATENCIES)).is_ok_and(|found| found == sum);
    let is_wanted = |origin: &DigestOrigin| origin.is_of(sources) && has_latencies(&origin.latencies);
    let remedy = "Delete it: the next report makes it again from requests.parquet";
    let parsed = parse_digest(&text, is_wanted).map_err(|why| FileError::invalid(&path, why, remedy))?;
    Ok(parsed.map(|(_, digest)| digest))
}

/// Writes `latencies.txt` with the lines of the parts of a run.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_latencies(dir: &Path, parts: &mut [LatencyLines]) -> Result<(), FileError> {
    let path = dir.join(LATENCIES);
    whole_file::remove_leftovers(&path);
    let mut write = || {
        let mut file = whole_file::create_beside(&path)?;
        LatencyLines::join_into(parts, &mut file)?;
        file.persist(&path).map_err(io::Error::from)
    };
    write().map(|_| ()).map_err(FileError::io(&path, "write"))
}

/// Writes the digest of data with these checksums. `latencies.txt` must be there.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_digest(dir: &Path, sources: &Checksums, digest: &Digest) -> Result<(), FileError> {
    let path = dir.join(DIGEST);
    let error = FileError::io(&path, "write");
    let origin = DigestOrigin::new(sources.clone(), checksums::sum(&dir.join(LATENCIES))?);
    let write = || {
        let mut file = BufWriter::new(whole_file::create_beside(&path)?);
        format_digest(&mut file, &origin, digest)?;
        file.into_inner()?.persist(&path).map_err(io::Error::from)
    };
    write().map_err(error)?;
    checksums::add_digest(dir)
}
