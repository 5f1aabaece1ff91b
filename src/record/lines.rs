//! Text files that grow line by line during a run. Each line is passed to the kernel at once, so a crash loses at most the
//! line that is being written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Event, FileError, Sample};
use crate::input;

/// The most bytes of either file that are read.
const MAX_TEXT: u64 = 4 << 30;

/// Appends to `events.jsonl`.
#[derive(Debug)]
pub struct EventLog(Lines);

/// Appends to `samples.csv`. A value that a source did not give is an empty cell.
#[derive(Debug)]
pub struct SampleLog(Lines);

#[derive(Debug)]
struct Lines {
    file: File,
    path: PathBuf,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, FileError> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(FileError::io(path, "create"))?;
        Ok(Lines { file, path: path.to_owned() })
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), FileError> {
        self.file.write_all(lines).map_err(FileError::io(&self.path, "write"))
    }
}

impl EventLog {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn open(path: &Path) -> Result<EventLog, FileError> {
        Ok(EventLog(Lines::open(path)?))
    }

    /// Appends a line.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn append(&mut self, event: &Event) -> Result<(), FileError> {
        let mut line = serde_json::to_vec(event).map_err(|e| FileError::io(&self.0.path, "write")(e.into()))?;
        line.push(b'\n');
        self.0.append(&line)
    }
}

impl SampleLog {
    /// Opens the file, or creates it with its header.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn open(path: &Path) -> Result<SampleLog, FileError> {
        let mut lines = Lines::open(path)?;
        let length = lines.file.metadata().map_err(FileError::io(path, "write"))?.len();
        if length == 0 {
            lines.append(HEADER.as_bytes())?;
        }
        Ok(SampleLog(lines))
    }

    /// Appends a line for each sample.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn append(&mut self, samples: &[Sample]) -> Result<(), FileError> {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        for sample in samples {
            writer.serialize(sample).map_err(|e| FileError::io(&self.0.path, "write")(e.into()))?;
        }
        let rows = writer.into_inner().map_err(|e| FileError::io(&self.0.path, "write")(e.into_error()))?;
        self.0.append(&rows)
    }
}

const HEADER: &str = "at_ns,source,memory_bytes,resident_bytes,limit_bytes,threads,cpu_ns\n";

/// Reads the events of a run, in order of time.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::Line`] for a line that is not an event. An incomplete last line is ignored.
pub fn read_events(path: &Path) -> Result<Vec<Event>, FileError> {
    let text = read_whole_lines(path)?;
    let mut events = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        events.push(serde_json::from_str::<Event>(line).map_err(|e| FileError::Line {
            path: path.to_owned(),
            line: i as u64 + 1,
            why: e.to_string(),
        })?);
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// Reads the samples of a run, in the order in which they were taken.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::Line`] for a line that is not a sample; [`FileError::Invalid`] for other columns. An
/// incomplete last line is ignored.
pub fn read_samples(path: &Path) -> Result<Vec<Sample>, FileError> {
    let text = read_whole_lines(path)?;
    if !text.is_empty() && !text.starts_with(HEADER) {
        let remedy = "Restore that line, or remove the file";
        return Err(FileError::invalid(path, format!("its first line is not `{}`", HEADER.trim()), remedy));
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let bad = |e: csv::Error| FileError::Line {
        path: path.to_owned(),
        line: e.position().map_or(0, csv::Position::line),
        why: match e.kind() {
            csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
            _ => e.to_string(),
        },
    };
    reader.deserialize().collect::<Result<_, _>>().map_err(bad)
}

/// The text of the file up to its last line end.
fn read_whole_lines(path: &Path) -> Result<String, FileError> {
    let mut bytes = input::read_regular(path, MAX_TEXT).map_err(FileError::io(path, "read"))?;
    bytes.truncate(bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1));
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count() as u64 + 1;
        FileError::Line { path: path.to_owned(), line, why: "it is not UTF-8".to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::event::{EventKind, RunEnd};
    use crate::units::Instant;

    fn dir() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        (dir, path)
    }

    fn append(path: &Path, text: &str) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn ended(at_ns: u64) -> Event {
        Event {
            at: Instant(at_ns),
            what: EventKind::Ended { how: RunEnd::Complete, detail: "a \"quoted\"\nline".into(), abort: None },
        }
    }

    #[test]
    fn events_are_read_in_order_of_time_without_an_incomplete_last_line() {
        let (_dir, path) = dir();
        let mut log = EventLog::open(&path).unwrap();
        log.append(&ended(7)).unwrap();
        log.append(&ended(3)).unwrap();
        append(&path, "{\"at_ns\":9,\"eve");
        assert_eq!(read_events(&path).unwrap(), [ended(3), ended(7)]);
    }

    #[test]
    fn an_invalid_line_is_named() {
        let (_dir, path) = dir();
        EventLog::open(&path).unwrap().append(&ended(7)).unwrap();
        append(&path, "{\"at_ns\":9,\"event\":\"party\"}\n");
        let error = read_events(&path).unwrap_err().to_string();
        assert!(error.contains("f:2: ") && error.contains("party"), "{error}");
    }

    #[test]
    fn samples_are_read_with_their_gaps() {
        let (_dir, path) = dir();
        let full = Sample {
            at: Instant(1),
            source: "a,\"b\"".into(),
            memory_bytes: Some(2),
            resident_bytes: Some(3),
            limit_bytes: Some(4),
            threads: Some(5),
            cpu_ns: Some(6),
        };
        let gap = Sample { at: Instant(2), source: "c".into(), ..Sample::default() };
        SampleLog::open(&path).unwrap().append(&[full.clone(), gap.clone()]).unwrap();
        SampleLog::open(&path).unwrap().append(std::slice::from_ref(&gap)).unwrap();
        append(&path, "77,tor");
        assert!(std::fs::read_to_string(&path).unwrap().contains("\n2,c,,,,,\n"));
        assert_eq!(read_samples(&path).unwrap(), [full, gap.clone(), gap]);
    }

    #[test]
    fn invalid_samples_are_named() {
        let (_dir, path) = dir();
        SampleLog::open(&path).unwrap();
        append(&path, "1,a,,,,,\n2,b,many,,,,\n");
        let error = read_samples(&path).unwrap_err().to_string();
        assert!(error.contains("f:3: "), "{error}");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(matches!(read_samples(&path), Err(FileError::Invalid { .. })));
    }
}
