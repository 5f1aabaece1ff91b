//! Whether the results find room.

use std::path::Path;

use bytesize::ByteSize;
use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::plan::ExperimentPlan;
use crate::record::RequestRecord;
use crate::units::Instant;

const ON: &str = "disk";
/// Of an attempt: its row while the run goes on, at most as much again in requests.parquet, and a line of latencies.txt.
const ATTEMPT: u64 = 2 * size_of::<RequestRecord>() as u64 + 16;
/// The rest: samples at 10 Hz over a day, events, figures, the report.
const REST: u64 = 32 << 20;

/// Whether `out`, or the folder that it will be made in, takes files, and as many bytes as the run may leave.
pub fn room(plan: &ExperimentPlan, out: &Path) -> Finding {
    // A path's last ancestor is the empty one, which stands for this folder.
    let there = out.ancestors().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = there.into_iter().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let told = folder.display();
    if !folder.is_dir() || access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::fail(ON, format!("{told} takes no files: choose another folder with --out"));
    }
    match statvfs(folder) {
        Ok(found) => enough(&told.to_string(), found.f_bavail.saturating_mul(found.f_frsize), most_bytes(plan)),
        Err(error) => Finding::warn(ON, format!("how much room {told} has can't be told: {error}")),
    }
}

/// Whether what is `free` in a folder is as much as is `needed`, in bytes.
pub fn enough(folder: &str, free: u64, needed: u64) -> Finding {
    let text = format!("{} free in {folder}, and the run leaves at most {}", ByteSize(free), ByteSize(needed));
    if free >= needed {
        return Finding::ok(ON, text);
    }
    Finding::fail(ON, format!("{text}: make room, choose another folder with --out, or shorten the load (--duration)"))
}

/// If each request is tried again as often as it may be.
pub fn most_bytes(plan: &ExperimentPlan) -> u64 {
    let requests = plan.planned().cumulated(Instant::START.plus(plan.duration()));
    let attempts = requests * (1.0 + f64::from(plan.load.retries.count));
    REST.saturating_add((attempts * ATTEMPT as f64) as u64)
}
