use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::FaultWindow;
use crate::plan::ExperimentPlan;
use crate::record::digest::Digest;
use crate::record::folder::{self, LATENCIES, RequestPart};
use crate::record::{FileError, LatencyLines, RunData};
use crate::units::Instant;
use crate::verdict::Survey;
use crate::verdict::timeline::Timeline;

/// How many threads of this machine read the records of a run of `threads` generator threads. Each of them has a file for
/// each generator thread, and a process may not open many more than 1,000.
pub fn reader_threads(threads: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.min(8).min(512 / threads.max(1)).max(1)
}

/// Makes the digest of a run in two passes over its records, and writes it and `latencies.txt` into `dir`. At most `readers`
/// threads read the records, each another part, a batch at a time. The files do not depend on how many there are.
///
/// # Errors
/// [`FileError`] of the records, or of one of the two files.
pub fn digest_records(
    dir: &Path,
    plan: &ExperimentPlan,
    recorded: &RunData,
    readers: usize,
) -> Result<Digest, FileError> {
    let parts = recorded.requests.divide(readers)?;
    let mut survey = Survey::new(plan, &recorded.events);
    let surveyed = in_parallel(&parts, |part| survey_part(part, Survey::new(plan, &recorded.events)));
    surveyed?.into_iter().for_each(|part| survey.merge(part));
    let frame = survey.frame(last_instant(plan, recorded));
    drop(survey);
    let digested = in_parallel(&parts, |part| digest_part(dir, part, Digest::new(frame.clone())))?;
    let (digests, mut lines): (Vec<_>, Vec<_>) = digested.into_iter().unzip();
    let merged = digests.into_iter().reduce(|mut digest, part| {
        digest.merge(&part).expect("all parts have the same frame");
        digest
    });
    let digest = merged.unwrap_or_else(|| Digest::new(frame));
    folder::write_latencies(dir, &mut lines)?;
    folder::write_digest(dir, &recorded.checksums, &digest)?;
    Ok(digest)
}

/// The results of `work` on each part, each on a thread of its own.
fn in_parallel<T: Send>(
    parts: &[RequestPart<'_>],
    work: impl Fn(&RequestPart<'_>) -> Result<T, FileError> + Sync,
) -> Result<Vec<T>, FileError> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = parts.iter().map(|part| scope.spawn(move || work(part))).collect();
        running.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

fn survey_part<'a>(part: &RequestPart<'_>, mut survey: Survey<'a>) -> Result<Survey<'a>, FileError> {
    part.for_each_group(|group| {
        if group.summary().is_some_and(|summary| survey.add_summary(&summary)) {
            return Ok(());
        }
        group.for_each_batch(Survey::uses, |batch| {
            survey.add(batch);
            Ok(())
        })
    })?;
    Ok(survey)
}

fn digest_part(dir: &Path, part: &RequestPart<'_>, mut digest: Digest) -> Result<(Digest, LatencyLines), FileError> {
    let write_error = |source| FileError::Io { path: dir.join(LATENCIES), operation: "write", source };
    let threads = usize::from(digest.frame().threads);
    let mut lines = LatencyLines::create_in(dir, threads).map_err(write_error)?;
    part.for_each_group(|group| {
        group.for_each_batch(Digest::uses, |batch| {
            batch.iter().for_each(|record| digest.add(record));
            lines.add(batch).map_err(write_error)
        })
    })?;
    Ok((digest, lines))
}

/// The last instant of the samples and of the faults, which the time axis shows too.
fn last_instant(plan: &ExperimentPlan, recorded: &RunData) -> Instant {
    let faults = FaultWindow::all(plan, &Timeline::of(&recorded.events, plan.faults().len()));
    let of_faults = faults.iter().filter_map(|fault| fault.to);
    recorded.samples.iter().map(|sample| sample.at).chain(of_faults).max().unwrap_or(Instant::START)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::record::RequestRecord;
    use crate::record::folder::{DIGEST, RequestRows};
    use crate::record::parquet::ParquetWriter;
    use crate::verdict::tests::builder::{self, Run, profile};

    /// The records of a run with failures, retries, and requests without an end.
    fn records(run: &Run) -> Vec<RequestRecord> {
        let mut records = run.records();
        for (i, record) in records.iter_mut().enumerate() {
            match i % 1000 {
                0..30 => record.set_last(false),
                30..40 => record.end = Instant::NEVER,
                40..50 => record.seen = record.end.plus(crate::units::Time(i as u64)),
                _ => {}
            }
        }
        records
    }

    #[test]
    fn its_files_do_not_depend_on_how_the_records_are_divided() {
        let run = Run::new().with(profile(&[(15, 35, 0.0), (35, 38, 0.5)]));
        let records = records(&run);
        let digested = |group: usize, readers: usize| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("requests.parquet");
            let file = fs::File::create(&path).unwrap();
            let mut writer = ParquetWriter::over(file, &path).unwrap().with_groups_of(group);
            writer.append(&records).unwrap();
            writer.finish().unwrap();
            let recorded = RunData {
                plan: String::new(),
                requests: RequestRows::Parquet(vec![path]),
                samples: Vec::new(),
                events: run.events.clone(),
                checksums: BTreeMap::new(),
            };
            let digest = digest_records(dir.path(), &run.plan, &recorded, readers).unwrap();
            let files = [DIGEST, LATENCIES].map(|name| fs::read_to_string(dir.path().join(name)).unwrap());
            (digest, files)
        };
        let (whole, files) = digested(1 << 20, 1);
        assert_eq!(whole, builder::digest(&run.plan, &records, &run.events));
        for (group, readers) in [(1000, 1), (1000, 2), (333, 3), (333, 8), (5000, 100)] {
            let (digest, same_files) = digested(group, readers);
            assert_eq!(digest, whole, "{readers} readers of groups of {group}");
            assert!(same_files == files, "{readers} readers of groups of {group}");
        }
    }
}
