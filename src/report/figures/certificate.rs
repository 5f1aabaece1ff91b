//! `certificate`: goodput over the three windows of a certificate on one time axis, and goodput against offered load with
//! the two states at one load.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::annotations::{AnnotatedWindow, Annotations};
use super::axis::{Axis, format_count};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::drawing::Drawing;
use super::heading::draw_titles;
use super::layout::{GUTTER, MARGIN, ROW, WIDTH};
use super::legend::{Legend, LegendSymbol};
use super::measure::fit_text;
use super::palette::{
    BASELINE_BACKGROUND, BLUE, FAULT_BACKGROUND, GREEN, MUTED, STUCK_BACKGROUND, TEXT, VERMILION, WARMUP_BACKGROUND,
};
use super::plot_area::PlotArea;
use super::symbols::draw_cross;

/// What the figure shows. Instants are seconds since the start of the first run's load.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateFigure {
    pub title: String,
    pub subtitle: String,
    /// Requests per second.
    pub rate: f64,
    /// Goodput from 0 to 1 at the middle of each bin. `None` interrupts the line, for example while no load is sent.
    pub goodput: Vec<(f64, Option<f64>)>,
    pub windows: Vec<FigureWindow>,
    /// States with a similar goodput follow each other.
    pub states: Vec<FigureState>,
}

/// A part of the time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureWindow {
    pub from: f64,
    pub to: f64,
    pub label: String,
    pub kind: WindowKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// The system is observed without the effect of a fault.
    Observed,
    Stuck,
    Fault,
    NoLoad,
}

impl WindowKind {
    fn colors(self) -> (RGBColor, RGBColor) {
        match self {
            WindowKind::Observed => (BASELINE_BACKGROUND, GREEN),
            WindowKind::Stuck => (STUCK_BACKGROUND, VERMILION),
            WindowKind::Fault => (FAULT_BACKGROUND, VERMILION),
            WindowKind::NoLoad => (WARMUP_BACKGROUND, MUTED),
        }
    }
}

/// One state of the system at the rate of the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureState {
    /// `W2: stuck`
    pub label: String,
    /// Goodput, 0 to 1.
    pub goodput: f64,
    pub kind: WindowKind,
}

/// Heights in px: the titles, a plot, and what is below it.
const TOP: i32 = 92;
const UPPER: i32 = 280;
const LOWER: i32 = 330;
const HEAD: i32 = 52;
const FOOT: i32 = 92;

impl CertificateFigure {
    fn time_axis(&self) -> Axis {
        let last = self.goodput.iter().map(|point| point.0).chain(self.windows.iter().map(|window| window.to));
        Axis::linear(0.0, last.fold(1.0, f64::max))
    }

    fn annotations(&self) -> Annotations {
        Annotations::of_windows(self.windows.iter().map(|window| {
            let (background, color) = window.kind.colors();
            AnnotatedWindow { from: window.from, to: window.to, background, label: window.label.clone(), color }
        }))
    }

    fn labels_height(&self) -> Result<i32, DrawError> {
        Ok(ROW * self.annotations().label_rows(self.time_axis())?.len())
    }

    fn draw_goodput<DB: DrawingBackend>(&self, c: &Canvas<DB>, top: i32) -> Result<i32, DrawError> {
        let (x, annotations) = (self.time_axis(), self.annotations());
        let rows = annotations.label_rows(x)?;
        c.draw_text("goodput (share of due requests)", (MARGIN, top + 32), LABEL, TEXT, Anchor::Left)?;
        let top = top + HEAD + ROW * rows.len();
        let bottom = top + UPPER;
        let plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top, bottom, x, y: Axis::linear(0.0, 1.05) };
        rows.draw(c, top)?;
        annotations.draw_windows(c, &plot)?;
        plot.draw_x_axis(c, format_count, Some("seconds since the start of load"))?;
        plot.draw_y_axis(c, 5, |share| format!("{:.0} %", 100.0 * share))?;
        plot.draw_series(c, self.goodput.iter().copied(), BLUE, 4)?;
        plot.draw_frame(c)?;
        Ok(bottom + FOOT)
    }

    fn draw_states<DB: DrawingBackend>(&self, c: &Canvas<DB>, top: i32) -> Result<(), DrawError> {
        let most = Axis::linear(0.0, self.rate * 1.25);
        let title = "goodput (good answers/s)";
        c.draw_text(title, (MARGIN, top + 32), LABEL, TEXT, Anchor::Left)?;
        let legend = vec![(LegendSymbol::Dashes, MUTED, "every request is good".to_owned())];
        Legend::arrange(legend, GUTTER + 420, GUTTER)?.draw(c, top + 32)?;
        let (top, bottom) = (top + HEAD, top + HEAD + LOWER);
        let plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top, bottom, x: most, y: most };
        plot.draw_x_axis(c, format_count, Some("offered load (requests/s)"))?;
        plot.draw_y_axis(c, 5, format_count)?;
        // Dots, because dashes are horizontal or vertical.
        for step in 0..=100 {
            let at = f64::from(step) / 100.0 * most.to;
            let (x, y) = (plot.x_px(at), plot.y_px(at));
            c.fill_rect((x - 2, y - 2), (x + 2, y + 2), MUTED)?;
        }
        plot.draw_frame(c)?;
        let x = plot.x_px(self.rate);
        for state in &self.states {
            let y = plot.y_px(state.goodput * self.rate);
            let (_, color) = state.kind.colors();
            match state.kind {
                WindowKind::Stuck => draw_cross(c, (x, y), 13, color)?,
                _ => c.fill_rect((x - 11, y - 11), (x + 11, y + 11), color)?,
            }
        }
        for place in self.states.chunk_by(FigureState::is_at) {
            let labels: Vec<&str> = place.iter().map(|state| state.label.as_str()).collect();
            let goodput = place[0].goodput * self.rate;
            let text = format!("{}: {goodput:.0}/s of {}/s", labels.join(", "), self.rate);
            let text = fit_text(&text, LABEL, x - 26 - plot.left)?;
            // Above the axis, and above the dots.
            let at = (x - 26, plot.y_px(goodput) - 14);
            c.draw_text(&text, at, LABEL, place[0].kind.colors().1, Anchor::Right)?;
        }
        Ok(())
    }
}

impl FigureState {
    /// Whether both states are drawn at the same place.
    fn is_at(&self, other: &FigureState) -> bool {
        self.kind == other.kind && (self.goodput - other.goodput).abs() < 0.05
    }
}

impl Drawing for CertificateFigure {
    fn size(&self) -> Result<(u32, u32), DrawError> {
        let height = TOP + self.labels_height()? + 2 * (HEAD + FOOT) + UPPER + LOWER;
        Ok((WIDTH as u32, height as u32))
    }

    fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        draw_titles(c, &self.title, &self.subtitle)?;
        let next = self.draw_goodput(c, TOP)?;
        self.draw_states(c, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> CertificateFigure {
        let window = |from, to, label: &str, kind| FigureWindow { from, to, label: label.to_owned(), kind };
        let state = |label: &str, goodput, kind| FigureState { label: label.to_owned(), goodput, kind };
        let goodput = |at: f64| match at {
            at if !(15.0..=90.0).contains(&at) => Some(1.0),
            at if at < 65.0 => Some(0.02),
            _ => None,
        };
        CertificateFigure {
            title: "BISTABLE".to_owned(),
            subtitle: "made up, 300 requests/s".to_owned(),
            rate: 300.0,
            goodput: (0..120).map(|second| (f64::from(second) + 0.5, goodput(f64::from(second)))).collect(),
            windows: vec![
                window(5.0, 15.0, "W1 100.0 %", WindowKind::Observed),
                window(15.0, 35.0, "fault", WindowKind::Fault),
                window(35.0, 65.0, "W2 2.0 %", WindowKind::Stuck),
                window(65.0, 90.0, "no load", WindowKind::NoLoad),
                window(95.0, 120.0, "W3 100.0 %", WindowKind::Observed),
            ],
            states: vec![
                state("W1", 1.0, WindowKind::Observed),
                state("W3", 1.0, WindowKind::Observed),
                state("W2", 0.02, WindowKind::Stuck),
            ],
        }
    }

    #[test]
    fn the_figure_names_its_windows_and_the_states_at_one_load() {
        let svg = figure().render_svg().unwrap();
        for text in ["BISTABLE", "W1 100.0 %", "W2 2.0 %", "no load", "W2: 6/s of 300/s", "W1, W3: 300/s of 300/s"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(figure().render_png().unwrap() == figure().render_png().unwrap());
    }

    #[test]
    fn a_figure_without_data_is_drawn() {
        let nothing =
            CertificateFigure { goodput: vec![], windows: vec![], states: vec![], rate: f64::NAN, ..figure() };
        assert!(nothing.render_svg().unwrap().contains("BISTABLE") && !nothing.render_png().unwrap().is_empty());
    }
}
