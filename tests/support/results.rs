//! A small results folder.

use std::fs;
use std::path::Path;

use metawrk::plan;
use metawrk::plan::config::Overrides;
use metawrk::record::{Outcome, RequestRecord, ResultsFolder, Sample};
use metawrk::units::{self, Time};

/// Creates the results folder of a run that was killed after 2 s.
pub fn create_results(results: &Path) -> std::path::PathBuf {
    let overrides = Overrides { rate: Some(100.0), ..Overrides::default() };
    let plan = plan::config::read_plan(None, &overrides).unwrap().plan;
    let folder = ResultsFolder::create(results, "small", jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0)).unwrap();
    folder.write_plan(&plan.to_toml().unwrap()).unwrap();
    let records: Vec<RequestRecord> = (0..200u64).map(answered).collect();
    folder.create_rows(None).unwrap().append(&records).unwrap();
    folder.open_events().unwrap();
    let sample = |i| Sample {
        at: metawrk::units::Instant(i * 1_000_000_000),
        source: "a".into(),
        memory_bytes: Some(i),
        ..Sample::default()
    };
    folder.open_samples().unwrap().append(&[sample(0), sample(1), sample(2)]).unwrap();
    folder.path().to_owned()
}

fn answered(i: u64) -> RequestRecord {
    let mut record = RequestRecord::planned(i, units::Instant(i * 10_000_000), 0);
    (record.ready, record.sent) = (record.due, record.due.plus(Time(50_000)));
    (record.first_byte, record.end) =
        (record.sent.plus(Time(1_000_000)), record.sent.plus(Time((1 + i % 7) * 1_000_000)));
    (record.status, record.bytes) = (200, 40);
    record.set_outcome(Outcome::Answered);
    record.set_last(true);
    record
}

/// The names and contents of the files in a folder.
pub fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut all: Vec<_> =
        entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect();
    all.sort();
    all
}
