//! `map`: from which outage at which rate the system does not come back.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::annotations::{Label, LabelRows};
use super::axis::{Axis, format_count, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::drawing::Drawing;
use super::heading::draw_titles;
use super::layout::{GUTTER, MARGIN, ROW, WIDTH};
use super::legend::{Legend, LegendEntry, LegendSymbol};
use super::palette::{BLUE, GREEN, MUTED, ORANGE, PURPLE, STUCK_BACKGROUND, TEXT, VERMILION};
use super::plot_area::PlotArea;
use super::symbols::draw_ring;

/// What the figure shows. Rates are in requests/s, outages in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MapFigure {
    pub title: String,
    pub subtitle: String,
    /// The range of outages, both above 0.
    pub outages: (f64, f64),
    /// The curve, by rate.
    pub curve: Vec<MapColumn>,
    /// What the ends of a column are, for the legend.
    pub interval: &'static str,
    /// Rates at which no outage of the range tips the system.
    pub never: Vec<f64>,
    /// Rates at which every outage of the range tips the system.
    pub always: Vec<f64>,
    pub dots: Vec<MapDot>,
    /// Vertical lines: rates with their names.
    pub rates: Vec<(f64, String)>,
    /// The curve that a formula predicts: rates and outages.
    pub closed_form: Vec<(f64, f64)>,
    /// The curve that a twin predicts, by rate.
    pub twin: Vec<MapColumn>,
}

/// The shortest outage that tips, at one rate, with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapColumn {
    pub rate: f64,
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

/// A run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapDot {
    pub rate: f64,
    pub outage: f64,
    pub tipped: bool,
}

/// Heights in px: titles, legend, plot, and its axis.
const TOP: i32 = 98;
const HEAD: i32 = 84;
const PLOT: i32 = 620;
const FOOT: i32 = 96;
/// The space right of the plot for the names of the regions, in px.
const NAMES: i32 = 190;
/// The radius of a dot in px.
const DOT: i32 = 8;

impl MapFigure {
    fn rate_axis(&self) -> Axis {
        let columns = self.curve.iter().map(|column| column.rate).chain(self.never.iter().chain(&self.always).copied());
        let runs = self.dots.iter().map(|dot| dot.rate).chain(self.closed_form.iter().map(|point| point.0));
        let twin = self.twin.iter().map(|column| column.rate);
        let all = columns.chain(runs).chain(twin).chain(self.rates.iter().map(|rate| rate.0));
        let (low, high) = all.fold((f64::INFINITY, 0.0f64), |(low, high), rate| (low.min(rate), high.max(rate)));
        let margin = 0.06 * (high - low).max(high * 0.1);
        if high > 0.0 { Axis::linear((low - margin).max(0.0), high + margin) } else { Axis::linear(0.0, 1.0) }
    }

    fn plot(&self, top: i32) -> PlotArea {
        let columns = self.curve.iter().chain(&self.twin).flat_map(|column| [column.low, column.high]);
        let runs = self.dots.iter().map(|dot| dot.outage).chain(self.closed_form.iter().map(|point| point.1));
        let outages = columns.chain(runs);
        let (low, high) = outages.fold((f64::INFINITY, 0.0f64), |(low, high), s| (low.min(s), high.max(s)));
        let (low, high) = if low <= high { (low, high) } else { self.outages };
        let y = Axis::log_part(low / 1.2, high * 1.2);
        PlotArea { left: GUTTER, right: WIDTH - NAMES, top, bottom: top + PLOT, x: self.rate_axis(), y }
    }

    fn legend(&self) -> Result<Legend, DrawError> {
        let entry = |symbol, color, text: &str| -> LegendEntry { (symbol, color, text.to_owned()) };
        let mut entries = Vec::new();
        if !self.dots.is_empty() {
            entries.push(entry(LegendSymbol::Dot, VERMILION, "METASTABLE"));
            entries.push(entry(LegendSymbol::Ring, GREEN, "not stuck"));
        }
        if !self.curve.is_empty() {
            entries.push(entry(LegendSymbol::Line, BLUE, "shortest outage that tips"));
            entries.push(entry(LegendSymbol::Box, BAND, self.interval));
        }
        if !self.closed_form.is_empty() {
            entries.push(entry(LegendSymbol::Dashes, MUTED, "closed form"));
        }
        if !self.twin.is_empty() {
            entries.push(entry(LegendSymbol::Dashes, ORANGE, "predicted by the twin"));
            entries.push(entry(LegendSymbol::Box, TWIN_BAND, "range of its seeds"));
        }
        Legend::arrange(entries, MARGIN, MARGIN)
    }

    /// The names of the vertical lines, and of the columns without a curve.
    fn labels(&self) -> Result<LabelRows, DrawError> {
        let plot = self.plot(0);
        let line = |(rate, name): &(f64, String)| Label { at: plot.x_px(*rate), text: name.clone(), color: PURPLE };
        let [shortest, longest] = [self.outages.0, self.outages.1].map(|outage| format_time(outage * 1e9));
        let never = |rate: &f64| {
            let text = format!("{}/s: no outage up to {longest} tips", format_count(*rate));
            Label { at: plot.x_px(*rate), text, color: GREEN }
        };
        let always = |rate: &f64| {
            let text = format!("{}/s: even {shortest} tips", format_count(*rate));
            Label { at: plot.x_px(*rate), text, color: VERMILION }
        };
        let columns = self.never.iter().map(never).chain(self.always.iter().map(always));
        let labels = self.rates.iter().map(line).chain(columns).collect();
        LabelRows::arrange(labels, plot.left, plot.right)
    }

    fn draw_regions<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        let point = |column: &MapColumn, of: fn(&MapColumn) -> f64| (plot.x_px(column.rate), plot.y_px(of(column)));
        let (Some(first), Some(last)) = (self.curve.first(), self.curve.last()) else { return Ok(()) };
        let mut above: Vec<(i32, i32)> = self.curve.iter().map(|column| point(column, |c| c.value)).collect();
        above.extend([(plot.x_px(last.rate), plot.top), (plot.x_px(first.rate), plot.top)]);
        c.fill_polygon(&above, STUCK_BACKGROUND)?;
        let highs = self.curve.iter().map(|column| point(column, |c| c.high));
        let lows = self.curve.iter().rev().map(|column| point(column, |c| c.low));
        c.fill_polygon(&highs.chain(lows).collect::<Vec<_>>(), BAND)
    }

    /// The prediction of the twin lies below what was measured: its band, and a dotted line.
    fn draw_twin<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        if self.twin.is_empty() {
            return Ok(());
        }
        let at = |column: &MapColumn, outage: f64| (plot.x_px(column.rate), plot.y_px(outage));
        let highs = self.twin.iter().map(|column| at(column, column.high));
        let lows = self.twin.iter().rev().map(|column| at(column, column.low));
        c.fill_polygon(&highs.chain(lows).collect::<Vec<_>>(), TWIN_BAND)?;
        let points: Vec<(i32, i32)> = self.twin.iter().map(|column| at(column, column.value)).collect();
        // A single column has no line.
        let ends = points.windows(2).map(|pair| (pair[0], pair[1])).chain(points.last().map(|&last| (last, last)));
        for (from, to) in ends {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let steps = (f64::from(dx).hypot(f64::from(dy)) / f64::from(DOTTED)).ceil().max(1.0) as i32;
            for i in 0..steps {
                let (x, y) = (from.0 + dx * i / steps, from.1 + dy * i / steps);
                c.fill_rect((x - 3, y - 3), (x + 3, y + 3), ORANGE)?;
            }
        }
        Ok(())
    }

    /// The interval of each column. A single column has no band.
    fn draw_intervals<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        for column in &self.curve {
            let (x, upper, lower) = (plot.x_px(column.rate), plot.y_px(column.high), plot.y_px(column.low));
            c.fill_rect((x - 2, upper), (x + 2, lower), BLUE)?;
            for y in [upper, lower] {
                c.fill_rect((x - CAP, y - 2), (x + CAP, y + 2), BLUE)?;
            }
        }
        Ok(())
    }

    /// The regions' names stand beside the right end of the curve.
    fn draw_names<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        let Some(last) = self.curve.last() else { return Ok(()) };
        let (upper, lower) = (plot.y_px(last.high), plot.y_px(last.low));
        let x = plot.right + 16;
        let above = ((plot.top + upper) / 2).max(plot.top + LABEL);
        let below = ((lower + plot.bottom) / 2).max(above + 2 * ROW).min(plot.bottom);
        c.draw_text("metastable", (x, above), LABEL, VERMILION, Anchor::Left)?;
        c.draw_text("recovers", (x, below), LABEL, GREEN, Anchor::Left)
    }

    /// Dots that would hide each other stand side by side, as far as they still belong to their rate.
    fn draw_dots<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        let mut drawn: Vec<(i32, i32)> = Vec::new();
        for dot in &self.dots {
            let (x, y) = (plot.x_px(dot.rate), plot.y_px(dot.outage));
            let is_free = |at: &(i32, i32)| {
                drawn.iter().all(|other| (other.0 - at.0).abs() >= SHIFT || (other.1 - at.1).abs() >= SHIFT)
            };
            let sides = (0..MAX_SHIFTS).flat_map(|n| [x - SHIFT * n, x + SHIFT * n]);
            let at = sides.map(|x| (x, y)).find(is_free).unwrap_or((x, y));
            drawn.push(at);
            if dot.tipped { c.fill_circle(at, DOT, VERMILION)? } else { draw_ring(c, at, DOT, GREEN)? }
        }
        Ok(())
    }
}

/// Dots that are farther apart than this, in px, are seen as two.
const SHIFT: i32 = DOT + 2;
/// A dot is shifted to each side by less than this many times `SHIFT`.
const MAX_SHIFTS: i32 = 3;
/// Half the width of the caps of an interval in px.
const CAP: i32 = 12;
/// The background of the curve's interval.
const BAND: RGBColor = RGBColor(190, 212, 232);
/// The background of what the seeds of a twin predict.
const TWIN_BAND: RGBColor = RGBColor(250, 226, 170);
/// The distance of the dots of a dotted line in px.
const DOTTED: i32 = 12;

impl Drawing for MapFigure {
    fn size(&self) -> Result<(u32, u32), DrawError> {
        let above = self.legend()?.extra_height() + ROW * self.labels()?.len();
        Ok((WIDTH as u32, (TOP + above + HEAD + PLOT + FOOT) as u32))
    }

    fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        draw_titles(c, &self.title, &self.subtitle)?;
        let (legend, labels) = (self.legend()?, self.labels()?);
        legend.draw(c, TOP + 34)?;
        let top = TOP + legend.extra_height() + HEAD + ROW * labels.len();
        let plot = self.plot(top);
        c.draw_text("outage (log scale)", (MARGIN, TOP + legend.extra_height() + 72), LABEL, TEXT, Anchor::Left)?;
        labels.draw(c, top)?;
        self.draw_regions(c, &plot)?;
        self.draw_twin(c, &plot)?;
        plot.draw_x_axis(c, format_count, Some("load (requests/s)"))?;
        plot.draw_y_axis(c, 7, |seconds| format_time(seconds * 1e9))?;
        for (rate, _) in &self.rates {
            let x = plot.x_px(*rate);
            c.draw_dashes((x, plot.top), (x, plot.bottom), PURPLE, 3)?;
        }
        // Dots, because dashes are horizontal or vertical.
        for &(rate, outage) in &self.closed_form {
            let (x, y) = (plot.x_px(rate), plot.y_px(outage));
            c.fill_rect((x - 2, y - 2), (x + 2, y + 2), MUTED)?;
        }
        plot.draw_series(c, self.curve.iter().map(|column| (column.rate, Some(column.value))), BLUE, 5)?;
        self.draw_intervals(c, &plot)?;
        self.draw_dots(c, &plot)?;
        plot.draw_frame(c)?;
        self.draw_names(c, &plot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> MapFigure {
        let column = |rate, value: f64| MapColumn { rate, low: value / 1.2, value, high: value * 1.2 };
        let dot = |rate, outage, tipped| MapDot { rate, outage, tipped };
        let curve = vec![column(140.0, 0.39), column(200.0, 0.3), column(260.0, 0.25), column(360.0, 0.21)];
        let dots = curve.iter().flat_map(|column| {
            [2.0, 1.15, 1.05, 0.9, 0.6].map(|factor| dot(column.rate, column.value * factor, factor > 1.0))
        });
        MapFigure {
            title: "Shortest outage that tips the system".to_owned(),
            subtitle: "made up, 24 runs".to_owned(),
            outages: (0.02, 30.0),
            dots: dots.chain([dot(200.0, 17.0, true), dot(360.0, 0.03, false), dot(120.0, 30.0, false)]).collect(),
            curve,
            interval: "90 % interval",
            never: vec![120.0],
            always: vec![380.0],
            rates: vec![(133.0, "stable rate 133/s".to_owned()), (398.0, "capacity 398/s".to_owned())],
            closed_form: (135..=360).step_by(4).map(|rate| (f64::from(rate), 60.0 / f64::from(rate))).collect(),
            twin: vec![],
        }
    }

    #[test]
    fn the_prediction_of_a_twin_is_drawn_below_the_runs() {
        let twin: Vec<MapColumn> = [150.0, 250.0, 350.0]
            .map(|rate| MapColumn { rate, low: 45.0 / rate, value: 50.0 / rate, high: 55.0 / rate })
            .into();
        let predicted = MapFigure { twin: twin.clone(), ..figure() };
        let (with, without) = (predicted.render_svg().unwrap(), figure().render_svg().unwrap());
        assert!(with.contains("predicted by the twin") && !without.contains("predicted by the twin"));
        // The legend, which comes first, has one of each too.
        let (band, dots) = (with.rfind("#FAE2AA").unwrap(), with.rfind("<circle").unwrap());
        assert!(band < dots, "the runs are on top");
        // A prediction beyond what was measured has space.
        let alone = MapFigure {
            curve: vec![],
            closed_form: vec![],
            dots: vec![],
            rates: vec![],
            never: vec![],
            always: vec![],
            ..predicted
        };
        let plot = alone.plot(0);
        assert!(twin.iter().all(|column| plot.x.from < column.rate && column.rate < plot.x.to));
        assert!(twin.iter().all(|column| plot.y.from < column.low && column.high < plot.y.to));
        assert!(!alone.render_svg().unwrap().contains("METASTABLE"), "a map without runs does not explain them");
        let one = MapFigure { twin: twin[..1].to_vec(), ..alone };
        assert!(one.render_svg().unwrap().contains("#E69F00"), "a single column is a dot");
    }

    #[test]
    fn the_figure_names_its_regions_lines_and_columns() {
        let svg = figure().render_svg().unwrap();
        for text in [
            "metastable",
            "recovers",
            "stable rate 133/s",
            "capacity 398/s",
            "120/s: no outage up to 30 s tips",
            "380/s: even 20 ms tips",
            "100 ms",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        // A ring is two circles, and the legend has one of each.
        assert_eq!(svg.matches("<circle").count(), 13 + 2 * 10 + 3);
        assert!(figure().render_png().unwrap() == figure().render_png().unwrap());
    }

    #[test]
    fn a_map_whose_columns_are_not_known_has_space_for_the_closed_form() {
        let dots = vec![MapDot { rate: 180.0, outage: 0.3, tipped: true }];
        let early = MapFigure { curve: vec![], never: vec![], dots, ..figure() };
        let plot = early.plot(0);
        assert!(early.closed_form.iter().all(|point| (plot.x.from..plot.x.to).contains(&point.0)));
        assert!(early.closed_form.iter().all(|point| (plot.y.from..plot.y.to).contains(&point.1)));
        assert!(plot.y.to < 1.0, "no more than the runs need");
    }

    #[test]
    fn a_single_column_has_an_interval() {
        let one = MapFigure { curve: figure().curve[..1].to_vec(), ..figure() };
        let boxes = |figure: &MapFigure| figure.render_svg().unwrap().matches("<rect").count();
        let without = MapFigure { curve: vec![], ..figure() };
        // A line and two caps, and the box of the legend.
        assert!(boxes(&one) >= boxes(&without) + 4);
    }

    #[test]
    fn a_map_without_columns_is_drawn() {
        let nothing = MapFigure { outages: (0.02, 30.0), ..MapFigure::default() };
        assert!(!nothing.render_svg().unwrap().contains("metastable") && !nothing.render_png().unwrap().is_empty());
    }
}
