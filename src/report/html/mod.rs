//! `report.html`: one file without external resources. The verdict comes first. All text from data is escaped.

pub mod campaign;
mod embed;
mod escape;
mod tables;

use std::fmt::Write as _;

use super::ReportData;
use super::figures::FigureImages;
use super::generator::GeneratorReport;
use super::statistics::RunStatistics;
use crate::verdict::Verdict;
pub(super) use escape::escape;
use tables::Table;

const STYLE: &str = include_str!("style.css");

/// The text of the file. The first of `figures` stands before the tables, the others after them.
pub fn render_page(data: &ReportData, statistics: &RunStatistics, figures: &[FigureImages]) -> String {
    let mut page = String::new();
    let name = escape(&data.name);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}: {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{name}</h1><p>started {}</p></header>\n",
        escape(&data.explanation.name),
        escape(&data.started)
    );
    write_verdict(&mut page, data);
    let generator = GeneratorReport::of(data, statistics);
    let of_faults = data.warnings.iter().map(|(_, text)| text.clone());
    let all = generator.warnings().into_iter().chain(of_faults).chain(data.problems.iter().cloned());
    for warning in all {
        let _ = writeln!(page, "<p class=\"warning\"><strong>Warning:</strong> {}</p>", escape(&warning));
    }
    let (first, others) = figures.split_at(figures.len().min(1));
    first.iter().for_each(|images| embed::write_figure(&mut page, images));
    page.push_str("<section class=\"tables\">\n");
    for table in tables::all_tables(data, statistics, &generator) {
        write_table(&mut page, &table);
    }
    page.push_str("</section>\n<section class=\"figures\">\n");
    write_sample_note(&mut page, data);
    others.iter().for_each(|images| embed::write_figure(&mut page, images));
    page.push_str("</section>\n</main>\n</body>\n</html>\n");
    page
}

/// Which requests the figures of single requests show, unless it is all of them.
fn write_sample_note(page: &mut String, data: &ReportData) {
    let sample = &data.digest.sample;
    if !sample.is_whole() {
        let _ = writeln!(
            page,
            "<p>The figures with the response times of single requests show a random sample: {} of {} requests. All other \
             figures and numbers count every request.</p>",
            sample.requests().count(),
            sample.seen()
        );
    }
}

fn write_verdict(page: &mut String, data: &ReportData) {
    let v = &data.explanation;
    let _ =
        write!(page, "<section class=\"verdict {}\">\n<h2>{}</h2>\n", verdict_class(&data.verdict), escape(&v.name));
    for line in &v.because {
        let _ = writeln!(page, "<p>{}</p>", escape(line));
    }
    if !v.next.is_empty() {
        page.push_str("<p class=\"next\">Next steps:</p>\n<ul>\n");
        for line in &v.next {
            let _ = writeln!(page, "<li>{}</li>", escape(line));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</section>\n");
}

/// The CSS class that colours a verdict: green for a system that is healthy at the end of the run, red for one that is
/// not, amber where it is between the two, grey for an invalid run.
fn verdict_class(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Stable | Verdict::Unaffected | Verdict::Recovered(_) => "good",
        Verdict::Metastable | Verdict::Overloaded => "bad",
        Verdict::Draining { .. } | Verdict::Degraded | Verdict::Oscillating { .. } => "doubtful",
        Verdict::Invalid(_) => "invalid",
    }
}

fn write_table(page: &mut String, table: &Table) {
    let class = if table.head.len() > 3 { "table numbers" } else { "table" };
    let _ = write!(page, "<div class=\"{class}\">\n<h3>{}</h3>\n<table>\n", table.title);
    if !table.head.is_empty() {
        page.push_str("<tr>");
        for cell in table.head {
            let _ = write!(page, "<th scope=\"col\">{cell}</th>");
        }
        page.push_str("</tr>\n");
    }
    for row in &table.rows {
        page.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ =
                if i == 0 { write!(page, "<th scope=\"row\">{cell}</th>") } else { write!(page, "<td>{cell}</td>") };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
    if let Some(note) = &table.note {
        let _ = writeln!(page, "<p class=\"note\">{}</p>", escape(note));
    }
    page.push_str("</div>\n");
}
