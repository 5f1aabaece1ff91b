use std::path::Path;

use super::csv::CsvFile;
use super::parquet::ParquetFile;
use super::sink::RecordSink;
use super::{FileError, OutputFile};

/// A sink that writes every attempt of a run to the file `path`. The extension decides the format: `.parquet` or `.csv`.
/// Both have the same columns.
///
/// # Errors
/// [`FileError::Format`] for any other extension, [`FileError::Output`] if the file cannot be written.
pub fn create_recording(path: &Path) -> Result<Box<dyn RecordSink>, FileError> {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("parquet") => Ok(Box::new(ParquetFile::new(OutputFile::create(path)?)?)),
        Some("csv") => Ok(Box::new(CsvFile::new(OutputFile::create(path)?))),
        _ => Err(FileError::Format { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Outcome, RequestRecord, parquet};
    use super::*;
    use crate::units::Instant;

    fn answered() -> RequestRecord {
        let mut record = RequestRecord {
            ready: Instant(1_000),
            sent: Instant(1_200),
            first_byte: Instant(5_000),
            end: Instant(6_000),
            seen: Instant(6_040),
            bytes: 310,
            connection: 3,
            status: 200,
            ..RequestRecord::planned(7, Instant(1_000), 1)
        };
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        record
    }

    fn unsent() -> RequestRecord {
        let mut record = RequestRecord { end: Instant(9_000), ..RequestRecord::planned(8, Instant(2_000), 0) };
        record.set_last(true);
        record.set_timed_out(true);
        record
    }

    fn left(dir: &Path) -> Vec<std::ffi::OsString> {
        fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name()).collect()
    }

    #[test]
    fn a_csv_file_has_the_columns_of_the_parquet_file_and_grows_with_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts.csv");
        let mut sink = create_recording(&path).unwrap();
        sink.consume(&[answered()]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        sink.consume(&[unsent()]).unwrap();
        sink.finish().unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r"
        request,attempt,last,thread,connection,due_ns,ready_ns,sent_ns,first_byte_ns,end_ns,seen_ns,bytes,status,outcome,timed_out,warmup,lower_bound,response_ns
        7,0,true,1,3,1000,1000,1200,5000,6000,6040,310,200,answered,false,false,false,5000
        8,0,true,0,,2000,,,,9000,,0,0,unsent,true,false,true,7000
        ");
    }

    #[test]
    fn a_parquet_file_holds_every_attempt_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts.PARQUET");
        let mut sink = create_recording(&path).unwrap();
        sink.consume(&[answered()]).unwrap();
        sink.consume(&[unsent(), answered()]).unwrap();
        sink.finish().unwrap();
        drop(sink);
        assert_eq!(parquet::read(&path).unwrap(), [answered(), unsent(), answered()]);
        assert_eq!(left(dir.path()), ["attempts.PARQUET"]);
        assert_eq!(unsent().sent, Instant::NEVER);
    }

    #[test]
    fn a_run_without_attempts_leaves_complete_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.csv", "a.parquet"] {
            create_recording(&dir.path().join(name)).unwrap().finish().unwrap();
        }
        assert_eq!(parquet::read(&dir.path().join("a.parquet")).unwrap(), []);
        assert!(fs::read_to_string(dir.path().join("a.csv")).unwrap().starts_with("request,attempt,"));
    }

    #[test]
    fn a_run_that_never_began_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.csv", "a.parquet"] {
            drop(create_recording(&dir.path().join(name)).unwrap());
        }
        assert!(left(dir.path()).is_empty());
    }

    #[test]
    fn other_extensions_are_refused_and_both_formats_named() {
        for name in ["attempts.json", "attempts", ".csv", ""] {
            let error = create_recording(Path::new(name)).err().unwrap().to_string();
            assert!(
                error.contains(&format!("record attempts in {name}: "))
                    && error.contains(".parquet")
                    && error.contains(".csv"),
                "{error}"
            );
        }
        let error = create_recording(Path::new("none/such/a.csv")).err().unwrap().to_string();
        assert!(error.contains("none/such/a.csv") && error.contains("Create the folder first"), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error_with_the_name_of_the_file() {
        let mut sink = CsvFile::new(OutputFile::create(Path::new("/dev/full")).unwrap());
        let error = sink.consume(&[answered()]).unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("Free some space"), "{error}");
    }
}
