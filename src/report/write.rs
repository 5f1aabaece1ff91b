use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::figures::{DrawError, Figure, View};
use super::summary::Summary;
use super::{ReportData, html};
use crate::record::format_latency_lines;

/// Why a product of a run could not be made. The run's data is untouched by that.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("cannot write {}: {cause}; free some space or fix its permissions, then draw the report again", .path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{file}: {cause}; the data is unharmed, so please report this with it")]
    Draw { file: String, cause: DrawError },
    #[error("summary.json: {0}; the data is unharmed, so please report this with it")]
    Summary(#[from] serde_json::Error),
}

/// Writes all products of a run into `dir` (made if missing): figures as PNG and SVG, `report.html`, `summary.json`,
/// `latencies.txt`.
/// Returns their paths, in the order written. A file is complete or not there at all.
///
/// # Errors
/// [`ReportError`] names the file, and what to do. Files that were written before it stay.
pub fn write(story: &ReportData, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(dir).map_err(|cause| ReportError::Write { path: dir.to_owned(), cause })?;
    let digest = Digest::of(story);
    let view = View::new(story, &digest);
    let mut written = Vec::new();
    let mut put = |name: String, bytes: &[u8]| {
        let path = dir.join(name);
        replace(&path, bytes).map_err(|cause| ReportError::Write { path: path.clone(), cause })?;
        written.push(path);
        Ok::<(), ReportError>(())
    };
    // What programs read comes first: it is there even if a figure fails.
    put("summary.json".into(), Summary::of(story, &digest).json()?.as_bytes())?;
    let mut figures = Vec::new();
    for figure in Figure::all(story) {
        let stem = figure.stem();
        let drawn = figure.drawn(&view).map_err(|cause| ReportError::Draw { file: stem.clone(), cause })?;
        put(format!("{stem}.png"), &drawn.png)?;
        put(format!("{stem}.svg"), drawn.svg.as_bytes())?;
        figures.push(drawn);
    }
    let latencies = format_latency_lines(story.threads, &story.requests);
    put("latencies.txt".into(), latencies.as_bytes())?;
    put("report.html".into(), html::page(story, &digest, &figures).as_bytes())?;
    Ok(written)
}

/// Writes a file under another name and renames it: nobody ever sees half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let done =
        fs::File::create(&partial).and_then(|mut f| f.write_all(bytes)).and_then(|()| fs::rename(&partial, path));
    if done.is_err() {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&partial);
    }
    done
}
