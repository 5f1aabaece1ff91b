use std::path::Path;

use super::FaultWindow;
use crate::plan::ExperimentPlan;
use crate::record::digest::Digest;
use crate::record::folder::{self, LATENCIES};
use crate::record::{FileError, LatencyLines, RunData};
use crate::units::Instant;
use crate::verdict::Survey;
use crate::verdict::timeline::Timeline;

/// Makes the digest of a run in two passes over its records, and writes it and `latencies.txt` into `dir`. The records are
/// in memory in batches.
///
/// # Errors
/// [`FileError`] of the records, or of one of the two files.
pub fn digest_records(dir: &Path, plan: &ExperimentPlan, recorded: &RunData) -> Result<Digest, FileError> {
    let mut survey = Survey::new(plan, &recorded.events);
    recorded.requests.for_each_batch(|batch| {
        survey.add(batch);
        Ok(())
    })?;
    let mut digest = Digest::new(survey.frame(last_instant(plan, recorded)));
    let latencies = dir.join(LATENCIES);
    let write_error = |source| FileError::Io { path: latencies.clone(), operation: "write", source };
    let threads = usize::from(digest.frame().threads);
    let mut lines = LatencyLines::create_in(dir, threads).map_err(write_error)?;
    recorded.requests.for_each_batch(|batch| {
        batch.iter().for_each(|record| digest.add(record));
        lines.add(batch).map_err(write_error)
    })?;
    folder::write_latencies(dir, &mut lines)?;
    folder::write_digest(dir, &recorded.checksums, &digest)?;
    Ok(digest)
}

/// The last instant of the samples and of the faults, which the time axis shows too.
fn last_instant(plan: &ExperimentPlan, recorded: &RunData) -> Instant {
    let faults = FaultWindow::all(plan, &Timeline::of(&recorded.events, plan.faults().len()));
    let of_faults = faults.iter().filter_map(|fault| fault.to);
    recorded.samples.iter().map(|sample| sample.at).chain(of_faults).max().unwrap_or(Instant::START)
}
