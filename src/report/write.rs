use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::figures::{DrawError, Figure, FigureData};
use super::statistics::RunStatistics;
use super::summary::Summary;
use super::{ReportData, html};
use crate::whole_file;

/// A product of a run could not be written. The recorded data is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("cannot write {}: {cause}. Free some space or correct the permissions, then draw the report again", .path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("cannot draw {file}: {cause}. The recorded data is unchanged; please report this bug with it")]
    Draw { file: String, cause: DrawError },
    #[error("cannot write summary.json: {0}. The recorded data is unchanged; please report this bug with it")]
    Summary(#[from] serde_json::Error),
}

/// Writes the products of an experiment into `dir`: `summary.json`, figures as PNG and SVG, `report.html`. Creates `dir` if it is missing. Each file is written completely or not at all.
/// Returns the paths in the order of writing.
///
/// # Errors
/// [`ReportError`] names the file and the remedy. Files written before the error stay.
pub fn write_report(data: &ReportData, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(dir).map_err(|cause| ReportError::Write { path: dir.to_owned(), cause })?;
    let statistics = RunStatistics::of(data);
    let figure_data = FigureData::of_experiment(data, &statistics);
    let mut written = Vec::new();
    let mut put = |name: String, bytes: &[u8]| {
        let path = dir.join(name);
        whole_file::replace(&path, bytes).map_err(|cause| ReportError::Write { path: path.clone(), cause })?;
        written.push(path);
        Ok::<(), ReportError>(())
    };
    // The file for programs comes first: it exists even if a figure fails.
    put("summary.json".into(), Summary::of(data, &statistics).to_json()?.as_bytes())?;
    let mut figures = Vec::new();
    for figure in Figure::all(data) {
        let stem = figure.file_stem();
        let images = figure.render(&figure_data).map_err(|cause| ReportError::Draw { file: stem.clone(), cause })?;
        put(format!("{stem}.png"), &images.png)?;
        put(format!("{stem}.svg"), images.svg.as_bytes())?;
        figures.push(images);
    }
    put("report.html".into(), html::render_page(data, &statistics, &figure_data, &figures).as_bytes())?;
    Ok(written)
}
