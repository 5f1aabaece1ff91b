//! `report.html`: one file without external resources. The verdict comes first. All text from data is escaped.

pub mod campaign;
mod embed;
mod escape;
mod interactive;
pub mod load;
mod page;
mod tables;
mod tone;

use super::ReportData;
use super::figures::{ChartSet, FigureData, FigureImages};
use super::generator::GeneratorReport;
use super::statistics::RunStatistics;
use crate::record::digest::RequestSample;
pub(super) use escape::escape;
use page::{Headline, Page};
pub use tone::Tone;

const STYLE: &str = include_str!("style.css");

/// The text of the file of an experiment. The first of `figures` stands before the tables, the others after them.
pub fn render_page(
    data: &ReportData,
    statistics: &RunStatistics,
    figure_data: &FigureData,
    figures: &[FigureImages],
) -> String {
    let generator = GeneratorReport::of(data, statistics);
    let of_faults = data.warnings.iter().map(|(_, text)| text.clone());
    let verdict = &data.explanation;
    let page = Page {
        name: &data.name,
        started: &data.started,
        headline: Headline {
            tone: Tone::of(&data.verdict),
            text: &verdict.name,
            because: &verdict.because,
            next: &verdict.next,
        },
        warnings: generator.warnings().into_iter().chain(of_faults).chain(data.problems.iter().cloned()).collect(),
        charts: ChartSet::of(figure_data),
        figures,
        tables: tables::all_tables(data, statistics, &generator),
        note: describe_sample(&data.digest.sample),
    };
    page.render()
}

/// Which requests the figures of single requests show, unless it is all of them.
fn describe_sample(sample: &RequestSample) -> Option<String> {
    (!sample.is_whole()).then(|| {
        format!(
            "The figures with the response times of single requests show a random sample: {} of {} requests. All other \
             figures and numbers count every request.",
            sample.requests().count(),
            sample.seen()
        )
    })
}
