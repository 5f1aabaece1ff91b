//! `--plot DIR`: the figures of a plain load.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::figures::{DrawError, Figure, View};
use super::load::LoadNumbers;
use crate::record::rows::RowsWriter;
use crate::record::{FileError, OutputFile, RequestRecord, TempRows};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{requests:.0} requests are too many for --plot, which has all of them in memory to draw them, and stops at \
         {MOST}: make a shorter run, or leave every attempt in a file with --record and draw what you need of it"
    )]
    TooMany { requests: f64 },
    #[error("{file}: {cause}; please report this with the command that did it")]
    Draw { file: String, cause: DrawError },
}

/// Attempts that can be drawn: 720 MB of records.
const MOST: u64 = 10_000_000;

/// A figure of every thread is of use for as many as one can look at.
const THREADS: u16 = 8;

/// The folder that figures will be in, and on its disk, while the load goes on, the records to draw.
#[derive(Debug)]
pub struct Plot {
    spool: TempRows,
    folder: Folder,
}

impl Plot {
    /// In `folder`, which is made where it is missing, for a load of about so many `requests` (rate by duration).
    ///
    /// # ErrorCounts
    /// [`PlotError`], before the load: nothing can be written there, or it will be too much to draw.
    pub fn create(folder: &Path, requests: f64) -> Result<Plot, PlotError> {
        if requests > MOST as f64 {
            return Err(PlotError::TooMany { requests });
        }
        let folder = Folder::create(folder)?;
        Ok(Plot { spool: TempRows::within(&folder.path)?, folder })
    }

    /// The keeper that collects the records. There is one.
    ///
    /// # ErrorCounts
    /// [`FileError`].
    pub fn sink(&self) -> Result<RowsWriter, FileError> {
        self.spool.writer()
    }

    /// Draws the figures, once the keeper is done: the timeline, and those of the first eight threads, as PNG and SVG.
    /// `name` is what stands below their titles, such as the URL.
    ///
    /// # ErrorCounts
    /// [`PlotError`]. Figures that were drawn before it stay.
    pub fn draw(self, name: &str, numbers: &LoadNumbers) -> Result<Plotted, PlotError> {
        let requests = self.requests()?;
        let view = View::of_load(name, &numbers.block, &requests);
        let of = numbers.block.threads;
        let threads = of.min(THREADS);
        let mut plotted = Plotted { folder: self.folder.path.clone(), files: Vec::new(), threads, of };
        for figure in Figure::of_requests(threads) {
            let stem = figure.stem();
            let drawn = figure.drawn(&view).map_err(|cause| PlotError::Draw { file: stem.clone(), cause })?;
            for (ending, bytes) in [("png", &drawn.png[..]), ("svg", drawn.svg.as_bytes())] {
                let path = self.folder.path.join(format!("{stem}.{ending}"));
                OutputFile::create(&path)?.put(bytes)?;
                plotted.files.push(path);
            }
        }
        Ok(plotted)
    }

    fn requests(&self) -> Result<Vec<RequestRecord>, PlotError> {
        let mut rows = self.spool.reader()?;
        // Retries may have made more of them than were planned.
        if rows.left() > MOST {
            return Err(PlotError::TooMany { requests: rows.left() as f64 });
        }
        let mut requests = Vec::with_capacity(rows.left() as usize);
        while rows.left() > 0 {
            requests.append(&mut rows.next_batch(1 << 16)?);
        }
        Ok(requests)
    }
}

/// A folder that goes again if nothing came into it.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    made: bool,
}

impl Folder {
    fn create(path: &Path) -> Result<Folder, FileError> {
        let made = !path.exists();
        fs::create_dir_all(path).map_err(|source| FileError::Output { path: path.to_owned(), source })?;
        Ok(Folder { path: path.to_owned(), made })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.made {
            // Of a folder with files in it this is refused, as it should be.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The figures that were drawn. Printed, it says where they are.
#[derive(Clone, Debug)]
pub struct Plotted {
    pub folder: PathBuf,
    pub files: Vec<PathBuf>,
    /// So many threads have figures of their own, of all that there are.
    pub threads: u16,
    pub of: u16,
}

impl fmt::Display for Plotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figures drawn in {}", self.folder.display())?;
        if self.threads < self.of {
            write!(f, ": the run over time, and the first {} of {} threads", self.threads, self.of)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Account;
    use crate::record::sink::RecordSink;
    use crate::report::tests::made_up;

    /// What a run of the made-up records would have said of itself.
    fn numbers(requests: &[RequestRecord], threads: u16) -> LoadNumbers {
        let mut numbers = LoadNumbers::of(&[]);
        let block = &mut numbers.block;
        block.account = Account::of(requests);
        (block.threads, block.planned_rate, block.warmup_ns) = (threads, 300.0, 10 * made_up::SECOND);
        (block.arrivals_ns, block.elapsed_ns) = (95 * made_up::SECOND, 98 * made_up::SECOND);
        numbers
    }

    fn drawn(folder: &Path, requests: &[RequestRecord], threads: u16) -> Plotted {
        let plot = Plot::create(folder, 28_500.0).unwrap();
        let mut sink = plot.sink().unwrap();
        requests.chunks(1024).for_each(|batch| sink.consume(batch).unwrap());
        sink.finish().unwrap();
        plot.draw("http://127.0.0.1:8000/", &numbers(requests, threads)).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_plain_load_has_its_figures() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("deep/figures");
        let plotted = drawn(&folder, &made_up::metastable().requests, 2);
        let figures =
            ["latencies-t0", "latencies-t1", "latency-hist-t0", "latency-hist-t1", "timeline"].map(|f| format!("{f}."));
        let expected: Vec<_> = figures.iter().flat_map(|f| [format!("{f}png"), format!("{f}svg")]).collect();
        assert_eq!(names(&folder), expected);
        assert_eq!(plotted.files.len(), 10);
        assert_eq!(plotted.to_string(), format!("Figures drawn in {}", folder.display()));
        let svg = fs::read_to_string(folder.join("timeline.svg")).unwrap();
        assert!(svg.contains("http://127.0.0.1:8000/, 300 requests/s") && svg.contains("warm-up"));
        assert!(!svg.contains("SLO") && !svg.contains("good") && !svg.contains("memory"));
    }

    #[test]
    fn of_many_threads_the_first_eight_are_drawn_and_that_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let plotted = drawn(dir.path(), &[], 20);
        assert_eq!(plotted.files.len(), 2 * (1 + 2 * 8));
        assert!(plotted.to_string().ends_with(": the run over time, and the first 8 of 20 threads"), "{plotted}");
    }

    #[test]
    fn older_figures_are_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        (0..2).for_each(|_| drop(drawn(dir.path(), &[], 0)));
        assert_eq!(names(dir.path()), ["timeline.png", "timeline.png.~1~", "timeline.svg", "timeline.svg.~1~"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_known_before_the_load_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("figures");
        let error = Plot::create(&folder, 1e8).unwrap_err().to_string();
        assert!(error.starts_with("100000000 requests are too many") && error.contains("--record"), "{error}");
        drop(Plot::create(&folder, 1.0).unwrap());
        fs::write(&folder, "").unwrap();
        let error = Plot::create(&folder, 1.0).unwrap_err().to_string();
        assert!(error.contains(&folder.display().to_string()), "{error}");
        assert_eq!(names(dir.path()), ["figures"]);
    }
}
