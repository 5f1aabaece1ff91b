use crate::units::Instant;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::record::EventKind;
use crate::record::event::RunEnd;

fn now() -> jiff::civil::DateTime {
    jiff::civil::date(2026, 3, 4).at(5, 6, 7, 0)
}

fn filled(results: &Path) -> ResultsFolder {
    let folder = ResultsFolder::create(results, "x", now()).unwrap();
    folder.write_plan("name = \"x\"\n").unwrap();
    let mut rows = folder.create_rows().unwrap();
    rows.append(&[RequestRecord::planned(2, Instant(20), 0), RequestRecord::planned(1, Instant(10), 0)]).unwrap();
    let ended = Event { at: Instant(9), what: EventKind::Ended { how: RunEnd::Complete, detail: String::new() } };
    folder.open_events().unwrap().append(&ended).unwrap();
    folder
        .open_samples()
        .unwrap()
        .append(&[Sample { at: Instant(4), source: "db".into(), ..Sample::default() }])
        .unwrap();
    folder
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
fn recorded_data_is_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    folder.write_parquet().unwrap();
    assert!(!folder.path().join(ROWS).exists());
    let recorded = read_folder(folder.path()).unwrap();
    assert_eq!(recorded.plan, "name = \"x\"\n");
    assert_eq!(
        recorded.requests,
        [RequestRecord::planned(1, Instant(10), 0), RequestRecord::planned(2, Instant(20), 0)]
    );
    assert_eq!((recorded.samples.len(), recorded.events.len()), (1, 1));
}

#[test]
fn after_a_crash_the_rows_are_converted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    // The crash happened while an earlier report was converting.
    fs::write(folder.path().join("requests.parquet.part"), "half").unwrap();
    assert_eq!(read_folder(folder.path()).unwrap().requests.len(), 2);
    assert!(folder.path().join(REQUESTS).exists() && !folder.path().join(ROWS).exists());
    assert_eq!(read_folder(folder.path()).unwrap().requests.len(), 2);
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
    fs::write(folder.path().join("requests.parquet.part"), "half").unwrap();
    assert!(folder.write_parquet().is_err());
    assert!(folder.path().join(ROWS).exists() && !folder.path().join("requests.parquet.part").exists());
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for file in [PLAN, EVENTS, REQUESTS] {
        let folder = filled(dir.path());
        folder.write_parquet().unwrap();
        fs::remove_file(folder.path().join(file)).unwrap();
        let error = read_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("contains no {file}")), "{error}");
    }
    let folder = filled(dir.path());
    fs::remove_file(folder.path().join(SAMPLES)).unwrap();
    assert!(read_folder(folder.path()).unwrap().samples.is_empty());
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
