//! `--plot DIR`: the figures of a plain load.

use std::fs;
use std::path::{Path, PathBuf};

use super::figures::{DrawError, Figure, FigureData, load_frame};
use super::load_totals::LoadTotals;
use crate::record::digest::Digest;
use crate::record::rows::RowsWriter;
use crate::record::{FileError, OutputFile, TempRows};

/// The figures could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum LoadFiguresError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot draw {file}: {cause}. This is a bug in metawrk: please report it with the command line")]
    Draw { file: String, cause: DrawError },
}

/// Further threads have no figures, because a reader compares only a few.
const MAX_THREADS: u16 = 8;

/// Collects the records of a load on disk and draws its figures at the end.
#[derive(Debug)]
pub struct LoadFigures {
    spool: TempRows,
    folder: FigureFolder,
}

impl LoadFigures {
    /// Creates `folder` if it is missing.
    ///
    /// # Errors
    /// [`LoadFiguresError`] before the load, if the folder is not writable.
    pub fn create(folder: &Path) -> Result<LoadFigures, LoadFiguresError> {
        let folder = FigureFolder::create(folder)?;
        Ok(LoadFigures { spool: TempRows::create_in(&folder.path, &folder.path)?, folder })
    }

    /// The sink that collects the records. Call it once.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn sink(&self) -> Result<RowsWriter, FileError> {
        self.spool.writer()
    }

    /// Where the figures of a load with `threads` threads will be, and which threads have some.
    pub fn describe(&self, threads: u16) -> String {
        let folder = self.folder.path.display();
        match threads {
            ..=MAX_THREADS => format!("in {folder}"),
            _ => format!("in {folder}: the timeline, and the first {MAX_THREADS} of {threads} threads"),
        }
    }

    /// Draws the timeline and the figures of the first eight threads as PNG and SVG, after the sink has finished.
    /// `name` is the line below the titles, such as the URL. Returns the files.
    ///
    /// # Errors
    /// [`LoadFiguresError`]. Figures drawn before the error stay.
    pub fn draw(self, name: &str, totals: &LoadTotals) -> Result<Vec<PathBuf>, LoadFiguresError> {
        let threads = totals.generator.threads.min(MAX_THREADS);
        let mut digest = Digest::new(load_frame(&totals.generator, threads));
        let mut rows = self.spool.reader()?;
        while rows.left() > 0 {
            rows.next_batch(1 << 14)?.iter().for_each(|record| digest.add(record));
        }
        let figure_data = FigureData::of_load(name, &totals.generator, &digest);
        let mut written = Vec::new();
        for figure in Figure::of_requests(threads) {
            let stem = figure.file_stem();
            let images =
                figure.render(&figure_data).map_err(|cause| LoadFiguresError::Draw { file: stem.clone(), cause })?;
            for (ending, bytes) in [("png", &images.png[..]), ("svg", images.svg.as_bytes())] {
                let path = self.folder.path.join(format!("{stem}.{ending}"));
                OutputFile::create(&path)?.write_and_finish(bytes)?;
                written.push(path);
            }
        }
        Ok(written)
    }
}

/// A folder that is removed again if it stays empty.
#[derive(Debug)]
struct FigureFolder {
    path: PathBuf,
    created: bool,
}

impl FigureFolder {
    fn create(path: &Path) -> Result<FigureFolder, FileError> {
        let created = !path.exists();
        fs::create_dir_all(path).map_err(|source| FileError::Output { path: path.to_owned(), source })?;
        Ok(FigureFolder { path: path.to_owned(), created })
    }
}

impl Drop for FigureFolder {
    fn drop(&mut self) {
        if self.created {
            // This fails on purpose if the folder contains files.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sink::RecordSink;
    use crate::record::{Account, RequestRecord};
    use crate::report::tests::synthetic;
    use crate::units::Time;

    /// The numbers of a run with the synthetic records.
    fn totals(requests: &[RequestRecord], threads: u16) -> LoadTotals {
        let mut totals = LoadTotals::of(&[]);
        let generator = &mut totals.generator;
        generator.account = Account::of(requests);
        (generator.threads, generator.planned_rate, generator.warmup) = (threads, 300.0, Time::from_secs(10));
        (generator.arrivals, generator.elapsed) = (Time::from_secs(95), Time::from_secs(98));
        totals
    }

    fn draw(folder: &Path, requests: &[RequestRecord], threads: u16) -> Vec<PathBuf> {
        let figures = LoadFigures::create(folder).unwrap();
        let mut sink = figures.sink().unwrap();
        requests.chunks(1024).for_each(|batch| sink.consume(batch).unwrap());
        sink.finish().unwrap();
        figures.draw("http://127.0.0.1:8000/", &totals(requests, threads)).unwrap()
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
        let written = draw(&folder, &synthetic::metastable().requests, 2);
        let figures =
            ["latencies-t0", "latencies-t1", "latency-hist-t0", "latency-hist-t1", "timeline"].map(|f| format!("{f}."));
        let expected: Vec<_> = figures.iter().flat_map(|f| [format!("{f}png"), format!("{f}svg")]).collect();
        assert_eq!(names(&folder), expected);
        assert_eq!(written.len(), 10);
        let svg = fs::read_to_string(folder.join("timeline.svg")).unwrap();
        assert!(svg.contains("http://127.0.0.1:8000/, 300 requests/s") && svg.contains("warm-up"));
        assert!(!svg.contains("SLO") && !svg.contains("goodput") && !svg.contains("memory"));
    }

    #[test]
    fn only_the_first_eight_threads_have_figures() {
        let dir = tempfile::tempdir().unwrap();
        let written = draw(dir.path(), &[], 20);
        assert_eq!(written.len(), 2 * (1 + 2 * 8));
        let figures = LoadFigures::create(dir.path()).unwrap();
        let folder = dir.path().display();
        assert_eq!(figures.describe(8), format!("in {folder}"));
        assert_eq!(figures.describe(20), format!("in {folder}: the timeline, and the first 8 of 20 threads"));
    }

    #[test]
    fn older_figures_are_renamed() {
        let dir = tempfile::tempdir().unwrap();
        (0..2).for_each(|_| drop(draw(dir.path(), &[], 0)));
        assert_eq!(names(dir.path()), ["timeline.png", "timeline.png.~1~", "timeline.svg", "timeline.svg.~1~"]);
    }

    #[test]
    fn an_error_before_the_load_leaves_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("figures");
        drop(LoadFigures::create(&folder).unwrap());
        fs::write(&folder, "").unwrap();
        let error = LoadFigures::create(&folder).unwrap_err().to_string();
        assert!(error.contains(&folder.display().to_string()), "{error}");
        assert_eq!(names(dir.path()), ["figures"]);
    }
}
