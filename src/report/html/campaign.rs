//! `report.html` of a campaign: the answer, the figure, and the runs with links to their reports.

use std::fmt::Write as _;

use super::escape::escape;
use super::{STYLE, Tone};

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct CampaignPage {
    /// The name of the experiment.
    pub name: String,
    /// The answer in capitals, and in a sentence or two.
    pub answer: String,
    pub sentence: String,
    /// The colour of the answer.
    pub tone: Tone,
    /// Each figure as SVG, and its description for screen readers.
    pub figures: Vec<(String, String)>,
    /// The columns of the table of runs.
    pub columns: Vec<&'static str>,
    pub rows: Vec<CampaignRow>,
}

/// A run in the table.
#[derive(Clone, Debug)]
pub struct CampaignRow {
    /// The path of the run's report, relative to the page. The first cell links to it.
    pub report: String,
    pub cells: Vec<String>,
}

/// The text of the file. All text from data is escaped.
pub fn render_campaign(campaign: &CampaignPage) -> String {
    let (name, answer) = (escape(&campaign.name), escape(&campaign.answer));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{answer}: {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{name}</h1><p>{} runs</p></header>\n\
         <section class=\"verdict {}\">\n<h2>{answer}</h2>\n<p>{}</p>\n</section>\n",
        campaign.rows.len(),
        campaign.tone.class(),
        escape(&campaign.sentence),
    );
    for (svg, alt) in &campaign.figures {
        let _ = write!(page, "<figure role=\"img\" aria-label=\"{}\">{svg}</figure>\n\n", escape(alt));
    }
    page.push_str("<div class=\"table numbers\">\n<h3>Runs</h3>\n<table>\n<tr>");
    for column in &campaign.columns {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(column));
    }
    page.push_str("</tr>\n");
    for row in &campaign.rows {
        page.push_str("<tr>");
        for (i, cell) in row.cells.iter().map(|cell| escape(cell)).enumerate() {
            let _ = match i {
                0 => write!(page, "<th scope=\"row\"><a href=\"{}\">{cell}</a></th>", escape(&row.report)),
                _ => write!(page, "<td>{cell}</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n</div>\n</main>\n</body>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_comes_first_and_each_run_links_to_its_report() {
        let row = CampaignRow {
            report: "cells/300-20s-s1/report.html".to_owned(),
            cells: vec!["1".to_owned(), "METASTABLE <b>".to_owned()],
        };
        let page = CampaignPage {
            name: "a & b".to_owned(),
            answer: "BISTABLE".to_owned(),
            sentence: "Goodput was 2 %.".to_owned(),
            tone: Tone::Bad,
            figures: vec![("<svg/>".to_owned(), "goodput".to_owned())],
            columns: vec!["run", "verdict"],
            rows: vec![row],
        };
        let text = render_campaign(&page);
        let order =
            ["<title>BISTABLE: a &amp; b", "Goodput was 2 %.", "<svg/>", "href=\"cells/300-20s-s1/report.html\">1<"];
        let at: Vec<_> = order.iter().map(|part| text.find(part).unwrap_or_else(|| panic!("{part}"))).collect();
        assert!(at.is_sorted() && text.contains("METASTABLE &lt;b&gt;"), "{at:?}");
    }
}
