//! The figures of `report.html` that react to the reader: a crosshair through all of them with the values at it, zoom, and
//! lines to show and hide. The script draws them from data in the page; without scripts the pictures stay.
//!
//! The script uses uPlot 1.6.31 (MIT), which is a single small file without dependencies of its own. Its files are in
//! `uplot/` as its authors built them.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use super::escape::escape;
use crate::base64::encode_base64;
use crate::report::figures::ChartSet;

const UPLOT: &str = include_str!("uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("uplot/uPlot.min.css");
const UPLOT_LICENSE: &str = include_str!("uplot/LICENSE.txt");
const CHARTS: &str = include_str!("charts.js");

/// The content policy of a page with [`write_script`]: nothing is loaded from anywhere, and no other script runs.
pub(super) fn content_policy() -> String {
    let hash = encode_base64(digest(&SHA256, script().as_bytes()).as_ref());
    format!("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'")
}

/// The style sheet of the figures.
pub(super) fn style() -> &'static str {
    UPLOT_STYLE
}

/// The place of the figures in the page.
pub(super) const SECTION: &str = "<section id=\"charts\" aria-label=\"Figures over time\">\n\
    <p class=\"note\">Drag over a figure to zoom in, double-click to zoom out. Click a name to show or hide its line.</p>\n\
    </section>\n";

/// Writes the values of all figures as a table.
pub(super) fn write_table(page: &mut String, charts: &ChartSet) {
    let (head, rows) = charts.table();
    page.push_str(
        "<details class=\"table numbers\">\n<summary>Values of the figures as a table</summary>\n<table>\n<tr>",
    );
    for cell in &head {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(cell));
    }
    page.push_str("</tr>\n");
    for row in &rows {
        page.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ =
                if i == 0 { write!(page, "<th scope=\"row\">{cell}</th>") } else { write!(page, "<td>{cell}</td>") };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n</details>\n");
}

/// Writes the data and the script. They are at the end of the page, which is complete without them.
pub(super) fn write_script(page: &mut String, charts: &ChartSet) {
    // No text can end the element: `<` occurs only in strings, where JSON allows its number.
    let json = serde_json::to_string(charts).unwrap_or_default().replace('<', "\\u003c");
    let _ = writeln!(page, "<script type=\"application/json\" id=\"chart-data\">{json}</script>");
    let _ = writeln!(page, "<script>{}</script>", script());
}

/// The text of the only script of the page.
fn script() -> String {
    format!("\n/*\nuPlot: {UPLOT_LICENSE}*/\n{UPLOT}\n{CHARTS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_script_ends_its_element() {
        let script = script();
        assert!(!script.contains("</script") && !script.contains("<!--"));
        assert!(script.contains("Permission is hereby granted") && script.contains("uPlot (v1.6.31)"));
    }
}
