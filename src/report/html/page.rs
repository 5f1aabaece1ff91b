use std::fmt::Write as _;

use super::embed::write_figure;
use super::escape::escape;
use super::interactive;
use super::tables::Table;
use super::{STYLE, Tone};
use crate::report::figures::{ChartSet, FigureImages};

/// What the page of a run shows. All text is escaped when it is written.
pub(super) struct Page<'a> {
    pub name: &'a str,
    /// Wall time of the start of load.
    pub started: &'a str,
    pub headline: Headline<'a>,
    pub warnings: Vec<String>,
    pub charts: ChartSet,
    /// The first of them stands before the tables, the others after them.
    pub figures: &'a [FigureImages],
    pub tables: Vec<Table>,
    /// Stands before the figures of single requests.
    pub note: Option<String>,
}

/// The result of the run, which comes first.
pub(super) struct Headline<'a> {
    pub tone: Tone,
    pub text: &'a str,
    pub because: &'a [String],
    /// What to do next.
    pub next: &'a [String],
}

impl Page<'_> {
    /// The text of the file.
    pub fn render(&self) -> String {
        let (name, headline) = (escape(self.name), escape(self.headline.text));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
             <title>{headline}: {name}</title>\n<style>\n{}\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header><h1>{name}</h1><p>started {}</p></header>\n",
            interactive::content_policy(),
            interactive::style(),
            escape(self.started)
        );
        self.write_headline(&mut page);
        for warning in &self.warnings {
            let _ = writeln!(page, "<p class=\"warning\"><strong>Warning:</strong> {}</p>", escape(warning));
        }
        page.push_str(interactive::SECTION);
        let (first, others) = self.figures.split_at(self.figures.len().min(1));
        first.iter().for_each(|images| write_figure(&mut page, images));
        page.push_str("<section class=\"tables\">\n");
        self.tables.iter().for_each(|table| write_table(&mut page, table));
        page.push_str("</section>\n");
        interactive::write_table(&mut page, &self.charts);
        page.push_str("<section class=\"figures\">\n");
        if let Some(note) = &self.note {
            let _ = writeln!(page, "<p>{}</p>", escape(note));
        }
        others.iter().for_each(|images| write_figure(&mut page, images));
        page.push_str("</section>\n</main>\n");
        interactive::write_script(&mut page, &self.charts);
        page.push_str("</body>\n</html>\n");
        page
    }

    fn write_headline(&self, page: &mut String) {
        let Headline { tone, text, because, next } = &self.headline;
        let _ = write!(page, "<section class=\"verdict {}\">\n<h2>{}</h2>\n", tone.class(), escape(text));
        for line in *because {
            let _ = writeln!(page, "<p>{}</p>", escape(line));
        }
        if !next.is_empty() {
            page.push_str("<p class=\"next\">Next steps:</p>\n<ul>\n");
            for line in *next {
                let _ = writeln!(page, "<li>{}</li>", escape(line));
            }
            page.push_str("</ul>\n");
        }
        page.push_str("</section>\n");
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
