use crate::units::Instant;
use proptest::prelude::*;

use super::*;
use crate::record::arbitrary::records;
use crate::record::{FileError, RequestRecord};

fn write(path: &std::path::Path, batches: &[Vec<RequestRecord>]) {
    let mut writer = ParquetWriter::over(std::fs::File::create(path).unwrap(), path).unwrap();
    batches.iter().for_each(|batch| writer.append(batch).unwrap());
    writer.finish().unwrap();
}

proptest! {
    #[test]
    fn records_are_read_as_they_were_written(batches in prop::collection::vec(records(), 0..4)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        write(&path, &batches);
        prop_assert_eq!(read(&path).unwrap(), batches.concat());
    }

    #[test]
    fn a_group_has_a_summary_or_needs_to_be_read(rows in records(), group in 1usize..8) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let mut writer = ParquetWriter::over(std::fs::File::create(&path).unwrap(), &path).unwrap().with_groups_of(group);
        writer.append(&rows).unwrap();
        writer.finish().unwrap();
        let reader = ParquetReader::open(&path).unwrap();
        prop_assert_eq!(reader.groups(), 0..rows.len().div_ceil(group));
        for (number, rows) in rows.chunks(group).enumerate() {
            let is_usual = |instant: &Instant| instant.0 < 1 << 63;
            let ends: Vec<Instant> = rows.iter().filter_map(|row| row.end.known()).collect();
            let due = || rows.iter().map(|row| row.due);
            let expected = GroupSummary {
                first_due: due().min().unwrap(),
                last_due: due().max().unwrap(),
                last_end: ends.iter().max().copied().unwrap_or(Instant::START),
                all_are_last: rows.iter().all(RequestRecord::is_last),
            };
            let is_known = !ends.is_empty() && ends.iter().chain(&due().collect::<Vec<_>>()).all(is_usual);
            prop_assert_eq!(reader.summary(number), is_known.then_some(expected));
        }
    }

    #[test]
    fn columns_that_are_not_wanted_are_left_as_planned(rows in records()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        write(&path, std::slice::from_ref(&rows));
        let (reader, mut back) = (ParquetReader::open(&path).unwrap(), Vec::new());
        for group in reader.groups() {
            let add = |batch: &[RequestRecord]| {
                back.extend_from_slice(batch);
                Ok(())
            };
            reader.read_group(group, |column| column == "due_ns" || column == "last", add).unwrap();
        }
        let planned = |row: &RequestRecord| {
            let mut planned = RequestRecord::planned(0, row.due, 0);
            planned.set_last(row.is_last());
            planned
        };
        prop_assert_eq!(back, rows.iter().map(planned).collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_file_is_an_error_or_is_read_but_never_panics(
        rows in records(), at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        write(&path, &[rows]);
        let mut bytes = std::fs::read(&path).unwrap();
        *at.get_mut(&mut bytes) ^= with;
        std::fs::write(&path, &bytes).unwrap();
        let _ = read(&path);
        bytes.truncate(cut.index(bytes.len()));
        std::fs::write(&path, &bytes).unwrap();
        let refused = matches!(read(&path), Err(FileError::Invalid { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn more_rows_than_a_group_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let rows: Vec<_> = (0..GROUP as u64 + 3).map(|i| RequestRecord::planned(i, Instant(i * 7), 1)).collect();
    write(&path, &[rows[..5].to_vec(), rows[5..].to_vec()]);
    assert!(read(&path).unwrap() == rows);
}

#[test]
fn other_files_are_refused_with_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.parquet");
    for bytes in [&b""[..], b"hello", b"PAR1PAR1", b"PAR1 no footer at all PAR1"] {
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("other.parquet") && error.contains("run the experiment again"), "{error}");
    }
    assert!(matches!(read(&dir.path().join("none")), Err(FileError::Io { .. })));
}

#[test]
fn files_of_earlier_versions_are_still_read() {
    let dir = tempfile::tempdir().unwrap();
    for (i, columns) in schema::readable_columns().iter().enumerate() {
        let path = dir.path().join(i.to_string());
        let mut row = RequestRecord::planned(3, Instant(7), 1);
        (row.end, row.seen) = (Instant(8), Instant(9));
        let mut writer = ParquetWriter::with_columns(std::fs::File::create(&path).unwrap(), &path, columns).unwrap();
        writer.append(&[row]).unwrap();
        writer.finish().unwrap();
        if i > 0 {
            row.seen = Instant::NEVER;
        }
        assert_eq!(read(&path).unwrap(), [row], "{columns:?}", columns = schema::schema(columns));
    }
}
