//! `--plot DIR`: the figures of a plain load, which its page shows too.

use std::fs;
use std::path::{Path, PathBuf};

use super::figures::{DrawError, Figure, FigureData, FigureImages};
use super::load_records::MAX_THREADS;
use crate::record::{FileError, OutputFile};

/// A figure could not be drawn. No data causes this.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw {file}: {cause}. This is a bug in metawrk: please report it with the command line")]
pub struct LoadFigureError {
    file: String,
    cause: DrawError,
}

/// Draws the figures of a load: the timeline, and those of its threads, together and the first ones each.
///
/// # Errors
/// [`LoadFigureError`]. No data causes this.
pub fn render_load_figures(data: &FigureData, threads: u16) -> Result<Vec<FigureImages>, LoadFigureError> {
    let render =
        |figure: Figure| figure.render(data).map_err(|cause| LoadFigureError { file: figure.file_stem(), cause });
    Figure::of_requests(threads.min(MAX_THREADS)).into_iter().map(render).collect()
}

/// The folder of the figures.
#[derive(Debug)]
pub struct LoadFigures {
    folder: FigureFolder,
}

impl LoadFigures {
    /// Creates `folder` if it is missing.
    ///
    /// # Errors
    /// [`FileError::Output`] before the load, if the folder cannot be created.
    pub fn create(folder: &Path) -> Result<LoadFigures, FileError> {
        Ok(LoadFigures { folder: FigureFolder::create(folder)? })
    }

    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Where the figures of a load with `threads` threads will be, and which threads have some.
    pub fn describe(&self, threads: u16) -> String {
        let folder = self.folder.path.display();
        match threads {
            ..=MAX_THREADS => format!("in {folder}"),
            _ => format!("in {folder}: all threads together, and each of the first {MAX_THREADS} of {threads}"),
        }
    }

    /// Writes figures as PNG and SVG. Returns the files.
    ///
    /// # Errors
    /// [`FileError::Output`]. Figures written before the error stay.
    pub fn write(self, figures: &[FigureImages]) -> Result<Vec<PathBuf>, FileError> {
        let mut written = Vec::new();
        for images in figures {
            let stem = images.figure.file_stem();
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::record::sink::RecordSink;
    use crate::record::{Account, Outcome, RequestRecord};
    use crate::report::figures::DENSITY;
    use crate::report::load_records::LoadRecords;
    use crate::report::load_totals::LoadTotals;
    use crate::report::tests::synthetic;
    use crate::units::{Instant, Time};

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
        let records = LoadRecords::create_in(figures.folder(), figures.folder()).unwrap();
        let mut sink = records.sink().unwrap();
        requests.chunks(1024).for_each(|batch| sink.consume(batch).unwrap());
        sink.finish().unwrap();
        let totals = totals(requests, threads);
        let digest = records.digest(&totals).unwrap();
        let data = FigureData::of_load("http://127.0.0.1:8000/", &totals.generator, &digest);
        figures.write(&render_load_figures(&data, threads).unwrap()).unwrap()
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
        let figures = ["latencies-all", "latencies-t0", "latencies-t1"].into_iter();
        let figures = figures.chain(["latency-hist-all", "latency-hist-t0", "latency-hist-t1", "timeline"]);
        let figures = figures.map(|f| format!("{f}."));
        let expected: Vec<_> = figures.flat_map(|f| [format!("{f}png"), format!("{f}svg")]).collect();
        assert_eq!(names(&folder), expected);
        assert_eq!(written.len(), 14);
        let svg = fs::read_to_string(folder.join("timeline.svg")).unwrap();
        assert!(svg.contains("http://127.0.0.1:8000/, 300 requests/s") && svg.contains("warm-up"));
        assert!(!svg.contains("SLO") && !svg.contains("goodput") && !svg.contains("memory"));
    }

    /// Many requests in each column, most of which take about as long as the others.
    fn many_requests(count: u64) -> Vec<RequestRecord> {
        let request = |number: u64| {
            let mut record =
                RequestRecord::planned(number, Instant(number * (95_000_000_000 / count)), (number % 2) as u16);
            // A distribution with a long tail, without random numbers.
            let rank = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 53) as f64;
            record.sent = record.due;
            record.end = record.due.plus(Time((500_000.0 / (1.0 - rank).sqrt()) as u64));
            record.status = if number.is_multiple_of(1000) { 503 } else { 200 };
            record.set_outcome(Outcome::Answered);
            record.set_last(true);
            record
        };
        (0..count).map(request).collect()
    }

    #[test]
    fn the_colours_of_many_requests_show_where_most_of_them_are() {
        let dir = tempfile::tempdir().unwrap();
        draw(dir.path(), &many_requests(150_000), 2);
        let svg = fs::read_to_string(dir.path().join("latencies-all.svg")).unwrap();
        assert!(svg.contains("requests in a cell, estimated:") && svg.contains(" and more"));
        let fills: BTreeSet<&str> = svg.split("fill=\"").filter_map(|rest| rest.split('"').next()).collect();
        let used = DENSITY.map(|color| format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2));
        assert!(used.iter().all(|color| fills.contains(&color[..])), "{used:?} in {fills:?}");
    }

    #[test]
    fn only_the_first_eight_threads_have_figures() {
        let dir = tempfile::tempdir().unwrap();
        let written = draw(dir.path(), &[], 20);
        assert_eq!(written.len(), 2 * (1 + 2 * 9));
        let figures = LoadFigures::create(dir.path()).unwrap();
        let folder = dir.path().display();
        assert_eq!(figures.describe(8), format!("in {folder}"));
        assert_eq!(figures.describe(20), format!("in {folder}: all threads together, and each of the first 8 of 20"));
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
