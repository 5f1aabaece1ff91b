//! Whether the results fit on the disk.

use std::path::Path;

use bytesize::ByteSize;
use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::plan::ExperimentPlan;
use crate::record::RequestRecord;
use crate::units::Instant;

const SUBJECT: &str = "disk";
/// Bytes per attempt: its row during the run, at most as much again in requests.parquet, and a line of latencies.txt.
const ATTEMPT_BYTES: u64 = 2 * size_of::<RequestRecord>() as u64 + 16;
/// Bytes for everything else: a day of samples at 10 Hz, events, figures, the report.
const OTHER_BYTES: u64 = 32 << 20;

/// Whether `out`, or the folder in which it will be created, is writable and has space for the results.
pub fn check_space(plan: &ExperimentPlan, out: &Path) -> Finding {
    // The last ancestor of a relative path is the empty path, which stands for the current folder.
    let ancestors = out.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let folder = ancestors.into_iter().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let name = folder.display();
    if !folder.is_dir() || access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::fail(SUBJECT, format!("{name} is not a writable folder. Choose another folder with --out."));
    }
    match statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            compare_space(&name.to_string(), free, estimate_max_bytes(plan))
        }
        Err(error) => Finding::warn(SUBJECT, format!("cannot determine the free space in {name}: {error}")),
    }
}

/// Compares the `free` and the `needed` bytes in a folder.
pub fn compare_space(folder: &str, free: u64, needed: u64) -> Finding {
    let text = format!("{} free in {folder}; the run writes at most {}", ByteSize(free), ByteSize(needed));
    if free >= needed {
        return Finding::ok(SUBJECT, text);
    }
    Finding::fail(
        SUBJECT,
        format!("{text}. Free some space, choose another folder with --out, or shorten the load (--duration)."),
    )
}

/// The bytes that the run writes if every request uses all its retries.
pub fn estimate_max_bytes(plan: &ExperimentPlan) -> u64 {
    let requests = plan.rate().cumulated(Instant::START.plus(plan.phases().duration));
    let attempts = requests * (1.0 + f64::from(plan.load().retries.count));
    OTHER_BYTES.saturating_add((attempts * ATTEMPT_BYTES as f64) as u64)
}
