use super::*;

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
    let Some(FoundJournal::Open(journal)) = open(&path) else { panic!() };
    assert!(matches!(open(&path), Some(FoundJournal::Held(held, at)) if held == journal.entry && at == path));
    journal.close().unwrap();
    assert!(open(&path).is_none());
}

#[test]
fn what_cannot_be_opened_for_writing_is_told_and_is_nobody_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    fs::create_dir(&path).unwrap();
    assert!(matches!(open(&path), Some(FoundJournal::Unreadable(JournalError::Io { doing: "open", .. }))));
}

#[test]
fn whose_work_a_container_is_decides_on_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = left(folder.path(), &entry("a", 7));
    let target = entry("a", 7).target();
    let refuse_on = |engine: &str, run, found| refuse(run, vec![found], |entry| entry.is_about(engine, &target));
    let refused = |run, found| refuse_on("one", run, found).map_err(|error| error.to_string());
    let held = || FoundJournal::Held(entry("a", 7), path.clone());
    // A run's own faults follow each other as its plan has them; what nobody holds is a dead run's, whatever it says.
    assert_eq!(refused(7, held()), Ok(()));
    assert!(refused(8, held()).unwrap_err().contains("is at work on container db"));
    assert!(refused(0, FoundJournal::Held(entry("a", 0), path.clone())).is_err());
    assert!(refused(7, open(&path).unwrap()).unwrap_err().contains("Run `metawrk restore` first"));
    assert_eq!(refused(8, FoundJournal::Held(entry("b", 7), path.clone())), Ok(()), "another container");
    assert!(refuse_on("two", 8, held()).is_ok(), "another engine");
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

/// As versions before 0.2 wrote them.
const OLD: &str = r#"{
  "version": 1, "host": "unix:///var/run/docker.sock", "engine": "ABCD", "since": "2026-01-02T03:04:05Z",
  "kind": "disconnect",
  "undo": {
    "fault": "disconnect",
    "subject": { "id": "ID", "name": "db" },
    "endpoints": [{ "network": "net", "network_id": "ID", "aliases": ["db"] }],
    "published": {},
    "reach": { "seen": [{ "network": "net", "network_id": "ID", "names": ["db"], "ports": [4000] }] }
  }
}"#;

#[test]
fn a_journal_of_an_older_version_is_read() {
    let id = "0a".repeat(32);
    let read = |text: &str| serde_json::from_str::<Entry>(&text.replace("\"ID\"", &format!("\"{id}\""))).unwrap();
    let old = read(OLD);
    assert_eq!(old.check(), Ok(()));
    assert!(matches!(old, Entry { run: 0, undo: UndoRecord::Disconnect(_), .. }));
    assert!(matches!(old.target(), Target::Container(target) if target.name == "db" && !target.ran));
    let ended = r#""subject": { "id": "ID", "name": "db", "ran": true }, "started_at": "t", "endpoints": [], "grace": 1,
                   "reach": { "seen": [] }"#;
    let throttled = r#""subject": { "id": "ID", "name": "db" }, "quota": 0, "nano": 0, "period": 0, "cpus": null,
                       "wanted": 0.2"#;
    let limited = r#""subject": { "id": "ID", "name": "db" }, "memory": 9, "with_swap": 0, "wanted": 8"#;
    let dark = r#""subject": { "id": "ID", "name": "db" }, "started_at": "t", "links": [{ "index": 2, "peer": 3 }],
                  "reach": { "seen": [] }"#;
    let all =
        [("kill", ended), ("stop", ended), ("restart", ended), ("throttle", throttled), ("memory-limit", limited)];
    for (kind, undo) in all.into_iter().chain([("blackhole", dark)]) {
        let head = &OLD[..OLD.find("\"undo\"").unwrap()];
        let entry = read(&format!("{head} \"undo\": {{ \"fault\": \"{kind}\", {undo} }} }}"));
        assert_eq!((entry.check(), &*entry.target().id()), (Ok(()), &*id), "{kind}");
    }
}

#[test]
fn ids_that_are_none_are_refused() {
    for (from, to) in [("\"id\": \"ID\"", "\"id\": \"../x\""), ("\"network_id\": \"ID\"", "\"network_id\": \"../x\"")] {
        let text = OLD.replacen(from, to, 1).replace("\"ID\"", &format!("\"{}\"", "0a".repeat(32)));
        let why = serde_json::from_str::<Entry>(&text).unwrap().check().unwrap_err();
        assert!(why.starts_with("`../x` is not the id of a"), "{why}");
    }
}

#[test]
fn only_files_that_no_other_user_can_write_are_used() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = left(folder.path(), &entry("a", 0));
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let found = open(&path);
        assert!(matches!(found, Some(FoundJournal::Unreadable(JournalError::Untrusted { .. }))), "{mode:o}: {found:?}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open(&path), Some(FoundJournal::Open(_))));
    // Only root can give a file away.
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        let Some(FoundJournal::Unreadable(error)) = open(&path) else { panic!() };
        assert!(error.to_string().contains("belongs to user 65534"), "{error}");
    }
    let found = fs::metadata("/tmp").unwrap();
    assert!(check_owner(Path::new("/tmp"), &found).is_err(), "everybody may write there");
}

#[test]
fn a_journal_that_is_no_file_is_an_error_at_once() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = tempfile::tempdir().unwrap();
    let (pipe, link, big) = (folder.path().join("a.json"), folder.path().join("b.json"), folder.path().join("c.json"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    std::os::unix::fs::symlink(left(folder.path(), &entry("a", 0)), &link).unwrap();
    File::create(&big).unwrap().set_len(MAX_BYTES + 1).unwrap();
    for path in [pipe, link, big] {
        assert!(matches!(open(&path), Some(FoundJournal::Unreadable(JournalError::Io { .. }))), "{}", path.display());
    }
}
