use super::*;
use crate::fault::keeper::undo::UndoRecord;

fn entry(container: &str, run: u32) -> Entry {
    let json = serde_json::json!({
        "version": VERSION, "host": "unix:///x", "engine": "one", "since": "2026-01-02T03:04:05Z", "kind": "pause",
        "run": run,
        "undo": { "fault": "pause", "subject": { "id": container.repeat(64), "name": "db" }, "reach": { "seen": [] } },
    });
    serde_json::from_value(json).unwrap()
}

/// On disk, as a keeper leaves it that was killed.
fn left(folder: &Path, entry: &Entry) -> PathBuf {
    let path = folder.join(entry.file_name());
    fs::write(&path, serde_json::to_string(entry).unwrap()).unwrap();
    path
}

#[test]
fn a_journal_is_held_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = left(folder.path(), &entry("a", 0));
    let Some(Found::Open(journal)) = open(&path) else { panic!() };
    assert!(matches!(open(&path), Some(Found::Held(held, at)) if held == journal.entry && at == path));
    journal.close().unwrap();
    assert!(open(&path).is_none());
}

#[test]
fn what_cannot_be_opened_for_writing_is_told_and_is_nobody_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    fs::create_dir(&path).unwrap();
    assert!(matches!(open(&path), Some(Found::Unreadable(JournalError::Io { doing: "open", .. }))));
}

#[test]
fn whose_work_a_container_is_decides_on_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = left(folder.path(), &entry("a", 7));
    let id = "a".repeat(64);
    let refused = |run, found| refuse("one", &[&id], run, vec![found]).map_err(|error| error.to_string());
    let held = || Found::Held(entry("a", 7), path.clone());
    // A run's own faults follow each other as its plan has them; what nobody holds is a dead run's, whatever it says.
    assert_eq!(refused(7, held()), Ok(()));
    assert!(refused(8, held()).unwrap_err().contains("is at work on container db"));
    assert!(refused(0, Found::Held(entry("a", 0), path.clone())).is_err());
    assert!(refused(7, open(&path).unwrap()).unwrap_err().contains("run `metawrk restore` first"));
    assert_eq!(refused(8, Found::Held(entry("b", 7), path.clone())), Ok(()), "another container");
    assert!(refuse("two", &[&id], 8, vec![held()]).is_ok(), "another engine");
}

#[test]
fn folders_are_made_where_there_are_none() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state/metawrk/faults");
    make(&folder).unwrap();
    make(&folder).unwrap();
    assert!(folder.is_dir());
    fs::write(root.path().join("file"), "").unwrap();
    assert!(matches!(make(&root.path().join("file/faults")), Err(JournalError::Io { doing: "create", .. })));
}

#[test]
fn an_entry_of_an_older_version_names_no_run() {
    let mut json = serde_json::to_value(entry("a", 7)).unwrap();
    json.as_object_mut().unwrap().remove("run");
    let old: Entry = serde_json::from_value(json).unwrap();
    assert!(matches!(old, Entry { run: 0, undo: UndoRecord::Pause(_), .. }));
}
