//! `search`: how certain the boundary is, and the runs that told, in their order.

use plotters::backend::DrawingBackend;

use super::axis::{Axis, format_count};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::drawing::Drawing;
use super::heading::draw_titles;
use super::layout::{GUTTER, MARGIN, WIDTH};
use super::legend::{Legend, LegendEntry, LegendSymbol};
use super::palette::{BASELINE_BACKGROUND, BLUE, GREEN, GRID, MUTED, TEXT, VERMILION};
use super::plot_area::PlotArea;
use super::symbols::draw_ring;

/// What the figure shows. Values are in the unit of what is searched.
#[derive(Clone, Debug)]
pub struct SearchFigure {
    pub title: String,
    pub subtitle: String,
    /// What is searched: the name of its axis.
    pub axis: &'static str,
    /// The label of a value.
    pub format: fn(f64) -> String,
    /// The range that is searched, both ends above 0.
    pub range: (f64, f64),
    /// The probability density over the logarithm, in any unit. Empty if there is none.
    pub density: Vec<(f64, f64)>,
    /// The 90 % interval: its lower end, the estimate, and its upper end. `None` if the runs do not tell.
    pub interval: Option<(f64, f64, f64)>,
    /// The runs, in their order.
    pub marks: Vec<SearchMark>,
    /// The names of runs that tipped, and of others.
    pub names: (&'static str, &'static str),
}

/// A run of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchMark {
    pub at: f64,
    pub tipped: bool,
}

/// Heights in px: titles and legend, the panels, and the space above and below a panel.
const TOP: i32 = 98;
const DENSITY: i32 = 220;
const RUNS: i32 = 400;
const HEAD: i32 = 52;
const FOOT: i32 = 96;
/// The radius of a mark in px.
const MARK: i32 = 11;
/// An axis of runs has space for at least so many.
const MIN_RUNS: f64 = 11.0;

impl SearchFigure {
    fn has_density(&self) -> bool {
        self.interval.is_some() && !self.density.is_empty()
    }

    fn legend(&self) -> Result<Legend, DrawError> {
        let entry = |symbol, color, text: &str| -> LegendEntry { (symbol, color, text.to_owned()) };
        let mut entries =
            vec![entry(LegendSymbol::Dot, VERMILION, self.names.0), entry(LegendSymbol::Ring, GREEN, self.names.1)];
        if self.interval.is_some() {
            entries.push(entry(LegendSymbol::Dashes, TEXT, "estimate"));
            entries.push(entry(LegendSymbol::Box, BASELINE_BACKGROUND, "90 % interval"));
        }
        Legend::arrange(entries, MARGIN, MARGIN)
    }

    /// The density around the interval. Returns the height of the panel in px.
    fn draw_density<DB: DrawingBackend>(&self, c: &Canvas<DB>, top: i32) -> Result<i32, DrawError> {
        let Some((low, value, high)) = self.interval.filter(|_| self.has_density()) else { return Ok(0) };
        let ratio = (high / low).max(1.02);
        let x = Axis::log_part((low / ratio).max(self.range.0), (high * ratio).min(self.range.1));
        let highest = self.density.iter().map(|cell| cell.1).fold(f64::MIN_POSITIVE, f64::max);
        let y = Axis::linear(0.0, 1.08);
        let plot =
            PlotArea { left: GUTTER, right: WIDTH - MARGIN, top: top + HEAD, bottom: top + HEAD + DENSITY, x, y };
        c.draw_text("how likely the boundary is there", (MARGIN, top + 34), LABEL, TEXT, Anchor::Left)?;
        c.fill_rect((plot.x_px(low), plot.top), (plot.x_px(high), plot.bottom), BASELINE_BACKGROUND)?;
        plot.draw_x_axis(c, self.format, Some(&format!("{} (log scale)", self.axis)))?;
        let shown = self.density.iter().filter(|cell| (x.from..=x.to).contains(&cell.0));
        plot.draw_series(c, shown.map(|&(at, share)| (at, Some(share / highest))), BLUE, 5)?;
        c.draw_dashes((plot.x_px(value), plot.top), (plot.x_px(value), plot.bottom), TEXT, 3)?;
        plot.draw_frame(c)?;
        Ok(HEAD + DENSITY + FOOT)
    }

    fn draw_runs<DB: DrawingBackend>(&self, c: &Canvas<DB>, top: i32) -> Result<(), DrawError> {
        let x = Axis::linear(0.0, (self.marks.len() as f64).max(MIN_RUNS) + 1.0);
        // The marks at the ends of the range are drawn in full.
        let y = Axis::log(self.range.0 / 1.15, self.range.1 * 1.15);
        let plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top: top + HEAD, bottom: top + HEAD + RUNS, x, y };
        let title = format!("{} of each run (log scale)", self.axis);
        c.draw_text(&title, (MARGIN, top + 34), LABEL, TEXT, Anchor::Left)?;
        if let Some((low, _, high)) = self.interval {
            let (upper, lower) = (plot.y_px(high), plot.y_px(low));
            c.fill_rect((plot.left, upper), (plot.right, lower.max(upper + 2)), BASELINE_BACKGROUND)?;
        }
        plot.draw_x_axis(c, format_count, Some("run"))?;
        plot.draw_y_axis(c, 6, self.format)?;
        if let Some((_, value, _)) = self.interval {
            c.draw_dashes((plot.left, plot.y_px(value)), (plot.right, plot.y_px(value)), TEXT, 3)?;
        }
        let points: Vec<(i32, i32)> =
            self.marks.iter().enumerate().map(|(i, mark)| (plot.x_px(i as f64 + 1.0), plot.y_px(mark.at))).collect();
        c.draw_line(&points, MUTED, 2)?;
        for (mark, &at) in self.marks.iter().zip(&points) {
            if mark.tipped { c.fill_circle(at, MARK, VERMILION)? } else { draw_ring(c, at, MARK, GREEN)? }
        }
        plot.draw_frame(c)
    }
}

impl Drawing for SearchFigure {
    fn size(&self) -> Result<(u32, u32), DrawError> {
        let density = if self.has_density() { HEAD + DENSITY + FOOT } else { 0 };
        let height = TOP + HEAD + self.legend()?.extra_height() + density + HEAD + RUNS + FOOT;
        Ok((WIDTH as u32, height as u32))
    }

    fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        draw_titles(c, &self.title, &self.subtitle)?;
        let legend = self.legend()?;
        legend.draw(c, TOP + 34)?;
        let line = TOP + HEAD + legend.extra_height();
        c.draw_line(&[(MARGIN, line), (WIDTH - MARGIN, line)], GRID, 1)?;
        let density = self.draw_density(c, line)?;
        self.draw_runs(c, line + density)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::axis::format_time;
    use super::*;

    fn figure() -> SearchFigure {
        let mark = |at, tipped| SearchMark { at, tipped };
        let density = |i: i32| (-(f64::from(i - 150) / 6.0).powi(2)).exp();
        SearchFigure {
            title: "Shortest outage that tips, at 200 requests/s: 0.31 s (0.28..0.34, 90 %)".to_owned(),
            subtitle: "made up, 13 runs".to_owned(),
            axis: "outage",
            format: |seconds| format_time(seconds * 1e9),
            range: (0.02, 30.0),
            density: (0..400).map(|i| (0.02 * 1500f64.powf(f64::from(i) / 400.0), density(i))).collect(),
            interval: Some((0.28, 0.31, 0.34)),
            marks: vec![
                mark(30.0, true),
                mark(0.02, false),
                mark(0.775, true),
                mark(0.2, false),
                mark(0.4, true),
                mark(0.3, false),
                mark(0.33, true),
                mark(0.31, false),
            ],
            names: ("stuck (METASTABLE)", "not stuck"),
        }
    }

    #[test]
    fn the_figure_shows_the_interval_and_each_run() {
        let svg = figure().render_svg().unwrap();
        for text in ["0.31 s (0.28..0.34, 90 %)", "90 % interval", "stuck (METASTABLE)", "100 ms", "300 ms"] {
            assert!(svg.contains(text), "{text}");
        }
        // A ring is two circles, and the legend has one of each.
        assert_eq!(svg.matches("<circle").count(), 4 + 2 * 4 + 3);
        assert!(figure().render_png().unwrap() == figure().render_png().unwrap());
    }

    #[test]
    fn a_figure_without_an_answer_shows_the_runs() {
        let unanswered = SearchFigure { interval: None, density: vec![], ..figure() };
        assert!(!unanswered.render_svg().unwrap().contains("90 % interval"));
        let nothing = SearchFigure { marks: vec![], ..unanswered };
        assert!(!nothing.render_png().unwrap().is_empty());
    }
}
