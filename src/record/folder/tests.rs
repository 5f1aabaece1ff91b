use crate::units::Instant;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::record::EventKind;
use crate::record::RequestRecord;
use crate::record::event::RunEnd;

fn now() -> jiff::civil::DateTime {
    jiff::civil::date(2026, 3, 4).at(5, 6, 7, 0)
}

fn filled(results: &Path) -> ResultsFolder {
    let folder = ResultsFolder::create(results, "x", now()).unwrap();
    folder.write_plan("name = \"x\"\n").unwrap();
    let mut rows = folder.create_rows(None).unwrap();
    rows.append(&[RequestRecord::planned(2, Instant(20), 0), RequestRecord::planned(1, Instant(10), 0)]).unwrap();
    let ended =
        Event { at: Instant(9), what: EventKind::Ended { how: RunEnd::Complete, detail: String::new(), abort: None } };
    folder.open_events().unwrap().append(&ended).unwrap();
    folder
        .open_samples()
        .unwrap()
        .append(&[Sample { at: Instant(4), source: "db".into(), ..Sample::default() }])
        .unwrap();
    folder
}

fn read(folder: &ResultsFolder) -> Result<RunData, FolderError> {
    read_folder(folder.path(), &folder.lock_report()?)
}

fn records(data: &RunData) -> Vec<RequestRecord> {
    let mut all = Vec::new();
    data.requests
        .for_each_batch(|batch| {
            all.extend_from_slice(batch);
            Ok(())
        })
        .unwrap();
    all
}

/// The results folder of a run that has ended.
fn ended(results: &Path) -> PathBuf {
    let folder = filled(results);
    folder.write_parquet().unwrap();
    folder.path().to_owned()
}

fn read_ended(dir: &Path) -> Result<RunData, FolderError> {
    read_folder(dir, &ReportLock::acquire(dir, || panic!("no other report"))?.expect("no run"))
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn folders_are_never_overwritten_and_latest_is_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("deep/results");
    let names: Vec<_> = (0..3)
        .map(|_| {
            let folder = ResultsFolder::create(&results, "../a b/ü", now()).unwrap();
            folder.make_latest().unwrap();
            folder.path().file_name().unwrap().to_owned()
        })
        .collect();
    let stem = "-a-b---20260304-050607";
    assert_eq!(names, [stem.to_owned(), format!("{stem}-2"), format!("{stem}-3")].map(std::ffi::OsString::from));
    assert_eq!(fs::read_link(results.join("latest")).unwrap().as_os_str(), names[2]);
    assert_eq!(fs::read_dir(&results).unwrap().count(), 4, "three folders and the link, nothing else");
}

#[test]
fn recorded_data_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    folder.write_parquet().unwrap();
    assert!(!folder.path().join(ROWS).exists());
    let recorded = read(&folder).unwrap();
    assert_eq!(recorded.plan, "name = \"x\"\n");
    assert_eq!(
        records(&recorded),
        [RequestRecord::planned(2, Instant(20), 0), RequestRecord::planned(1, Instant(10), 0)]
    );
    assert_eq!((recorded.samples.len(), recorded.events.len()), (1, 1));
}

#[test]
fn after_a_crash_the_rows_are_converted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    // An earlier report was killed while it was converting.
    let half = whole_file::create_beside(&folder.path().join(REQUESTS)).unwrap().keep().unwrap().1;
    assert_eq!(records(&read(&folder).unwrap()).len(), 2);
    assert!(folder.path().join(REQUESTS).exists() && !folder.path().join(ROWS).exists() && !half.exists());
    assert_eq!(records(&read(&folder).unwrap()).len(), 2);
}

#[test]
fn the_records_of_several_generators_are_in_a_file_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path(), "x", now()).unwrap();
    folder.write_plan("name = \"x\"\n").unwrap();
    folder.open_events().unwrap();
    let mut rows = folder.create_rows(Some(RecordParts { parts: 3, threads: 1 })).unwrap();
    rows.append(&[1, 0, 1].map(|thread| RequestRecord::planned(7, Instant(20), thread))).unwrap();
    rows.append(&[RequestRecord::planned(8, Instant(30), 0)]).unwrap();
    let threads = |data: &RunData| records(data).iter().map(|record| record.thread).collect::<Vec<_>>();
    let of_parts = [0, 0, 1, 1];
    assert_eq!(threads(&read_running(folder.path()).unwrap()), of_parts);

    // A crash came after the first of them was removed.
    folder.write_parquet().unwrap();
    let part = folder.path().join("parts/part=1");
    RunRowsWriter::create(&part, None).unwrap().append(&[RequestRecord::planned(9, Instant(40), 1)]).unwrap();
    let data = read(&folder).unwrap();
    assert_eq!(threads(&data), [0, 0, 1]);
    assert!(!part.join(ROWS).exists());
    let names: Vec<_> = data.checksums.keys().collect();
    let file = |part: usize| format!("parts/part={part}/requests.parquet");
    assert_eq!(names, [EVENTS, PLAN, &file(0), &file(1), &file(2)]);

    for part in 0..3 {
        let path = folder.path().join(file(part));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[1..]).unwrap();
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains(&format!("{}: it has changed", path.display())), "{error}");
        fs::write(&path, &bytes).unwrap();
    }
    fs::remove_file(folder.path().join(file(2))).unwrap();
    let error = read(&folder).unwrap_err().to_string();
    assert!(error.contains("contains no") || error.contains(&file(2)), "{error}");
}

#[test]
fn a_run_that_never_began_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let began = filled(dir.path());
    began.make_latest().unwrap();
    filled(dir.path()).discard();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the first folder and the link");
    assert_eq!(fs::read_link(dir.path().join("latest")).unwrap(), began.path().file_name().unwrap());
}

#[test]
fn a_failed_conversion_leaves_the_rows_and_no_incomplete_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    fs::write(folder.path().join(ROWS), "no rows at all, and long enough").unwrap();
    let before = contents(folder.path());
    assert!(folder.write_parquet().is_err());
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for file in [PLAN, EVENTS, REQUESTS] {
        let folder = filled(dir.path());
        folder.write_parquet().unwrap();
        fs::remove_file(folder.path().join(file)).unwrap();
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains(&format!("contains no {file}")), "{error}");
    }
    let folder = filled(dir.path());
    fs::remove_file(folder.path().join(SAMPLES)).unwrap();
    assert!(read(&folder).unwrap().samples.is_empty());
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ResultsFolder::create(&file.join("results"), "x", now()).unwrap_err().to_string();
    assert!(error.contains("file/results"), "{error}");

    // A link is replaced; a file or folder of that name belongs to the user.
    let latest = dir.path().join("latest");
    for is_file in [true, false] {
        if is_file { fs::write(&latest, "mine") } else { fs::create_dir(&latest) }.unwrap();
        let error = ResultsFolder::create(dir.path(), "x", now()).unwrap_err();
        assert!(matches!(error, FolderError::Latest { .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing was created");
        let _ = fs::remove_file(&latest);
    }

    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write anywhere, and creates the folder.
    if let Err(error) = ResultsFolder::create(&closed, "x", now()) {
        assert!(error.to_string().contains("--out"), "{error}");
    }
}

#[test]
fn a_report_on_a_run_in_progress_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    let before = contents(folder.path());
    assert!(ReportLock::acquire(folder.path(), || {}).unwrap().is_none());
    assert_eq!(records(&read_running(folder.path()).unwrap()).len(), 2);
    assert_eq!(contents(folder.path()), before);
    // The run has just converted its rows.
    folder.write_parquet().unwrap();
    assert_eq!(records(&read_running(folder.path()).unwrap()).len(), 2);

    let path = folder.path().to_owned();
    drop(folder);
    assert_eq!(records(&read_ended(&path).unwrap()).len(), 2);
}

#[test]
fn reports_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let path = ended(dir.path());
    let first = ReportLock::acquire(&path, || {}).unwrap().unwrap();
    let (waits, waiting) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let lock = ReportLock::acquire(&path, || waits.send(()).unwrap()).unwrap().unwrap();
        records(&read_folder(&path, &lock).unwrap()).len()
    });
    waiting.recv().unwrap();
    assert!(!other.is_finished());
    drop(first);
    assert_eq!(other.join().unwrap(), 2);
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    let path = ended(dir.path());
    let original = read_ended(&path).unwrap();
    for name in [PLAN, REQUESTS, SAMPLES, EVENTS, CHECKSUMS] {
        let file = path.join(name);
        let bytes = fs::read(&file).unwrap();
        let flips = (0..bytes.len()).map(|at| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            flipped
        });
        let cuts = (0..bytes.len()).step_by(7).map(|length| bytes[..length].to_vec());
        for damaged in flips.chain(cuts) {
            fs::write(&file, &damaged).unwrap();
            let error = match read_ended(&path) {
                // The line end of the last checksum.
                Ok(data) => {
                    assert!(data.same_as(&original) && name == CHECKSUMS, "{name}: {damaged:?}");
                    continue;
                }
                Err(error) => error.to_string(),
            };
            assert!(error.contains(&*path.to_string_lossy()), "{error}");
        }
        fs::write(&file, &bytes).unwrap();
    }
    // A folder of an earlier version has no checksums.
    fs::remove_file(path.join(CHECKSUMS)).unwrap();
    assert!(read_ended(&path).unwrap().same_as(&original));
}

impl RunData {
    fn same_as(&self, other: &RunData) -> bool {
        (&self.plan, records(self), &self.samples, &self.events)
            == (&other.plan, records(other), &other.samples, &other.events)
    }
}

#[test]
fn a_plan_that_was_cut_before_a_crash_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    fs::write(folder.path().join(PLAN), "").unwrap();
    let error = read(&folder).unwrap_err().to_string();
    assert!(error.contains("experiment.toml: it has changed since the run wrote it"), "{error}");
    assert!(folder.path().join(ROWS).exists());
}

#[test]
fn the_checksums_are_those_of_sha256sum() {
    let dir = tempfile::tempdir().unwrap();
    let path = ended(dir.path());
    let sums = fs::read_to_string(path.join(CHECKSUMS)).unwrap();
    let line = format!("{:x?}", aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"name = \"x\"\n"));
    let line = line.strip_prefix("SHA256:").unwrap();
    assert!(sums.contains(&format!("{line}  experiment.toml\n")), "{sums}");
    let names: Vec<_> = sums.lines().map(|line| &line[66..]).collect();
    assert_eq!(names, [EVENTS, PLAN, REQUESTS, SAMPLES]);
}

#[test]
fn what_is_not_a_regular_file_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for name in [PLAN, REQUESTS, SAMPLES, EVENTS, ROWS, CHECKSUMS] {
        let path = ended(dir.path());
        let _ = fs::remove_file(path.join(name));
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path.join(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = read_ended(&path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("it is not a regular file"), "{error}");
        fs::remove_file(path.join(name)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path.join(name)).unwrap();
        let error = read_ended(&path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("it is not a regular file"), "{error}");
    }
}
