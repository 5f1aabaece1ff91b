//! The heading of a figure with one plot: title, subtitle, legend, and the labels above the plot.

use plotters::backend::DrawingBackend;

use super::annotations::LabelRows;
use super::canvas::{Anchor, Canvas, DrawError, LABEL, TITLE};
use super::figure_data::FigureData;
use super::layout::{HEIGHT, MARGIN, ROW, WIDTH};
use super::legend::{Legend, LegendEntry};
use super::measure::fit_text;
use super::palette::{MUTED, TEXT};

/// Draws title and subtitle, 96 px high together.
pub fn draw_title<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData, title: &str) -> Result<(), DrawError> {
    draw_titles(c, title, &data.subtitle)
}

/// As [`draw_title`], for figures that are not of one run.
pub fn draw_titles<DB: DrawingBackend>(c: &Canvas<DB>, title: &str, subtitle: &str) -> Result<(), DrawError> {
    let width = WIDTH - 2 * MARGIN;
    c.draw_text(&fit_text(title, TITLE, width)?, (MARGIN, 44), TITLE, TEXT, Anchor::Left)?;
    c.draw_text(&fit_text(subtitle, LABEL, width)?, (MARGIN, 82), LABEL, MUTED, Anchor::Left)
}

/// The heading of a figure with one plot. The figure grows with it, so the plot keeps its height.
pub struct Heading {
    legend: Legend,
    /// The height of a further row of the legend, which the figure draws itself.
    scale: i32,
    labels: LabelRows,
}

/// The base line of the first row of the legend, and the top of the plot without labels, in px.
const LEGEND: i32 = 122;
const PLOT: i32 = 132;
/// Rows of labels for which a figure of the usual height has space.
const USUAL_ROWS: i32 = 3;

impl Heading {
    pub fn new(legend: Vec<LegendEntry>, labels: LabelRows) -> Result<Heading, DrawError> {
        Ok(Heading { legend: Legend::arrange(legend, MARGIN, MARGIN)?, scale: 0, labels })
    }

    /// With space for a further row of the legend: see [`Heading::scale_base`].
    pub fn with_scale(self) -> Heading {
        Heading { scale: ROW, ..self }
    }

    /// The base line of that row.
    pub fn scale_base(&self) -> i32 {
        LEGEND + self.legend.extra_height() + ROW
    }

    /// The height of the figure in px.
    pub fn figure_height(&self) -> i32 {
        HEIGHT + self.legend.extra_height() + self.scale + ROW * (self.labels.len() - USUAL_ROWS).max(0)
    }

    /// The top of the plot in px.
    pub fn plot_top(&self) -> i32 {
        PLOT + self.legend.extra_height() + self.scale + ROW * self.labels.len()
    }

    /// The bottom of the plot in px: its axis and the title of the axis are below it.
    pub fn plot_bottom(&self) -> i32 {
        self.figure_height() - 88
    }

    /// Draws everything above the plot.
    pub fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>, data: &FigureData, title: &str) -> Result<(), DrawError> {
        draw_title(c, data, title)?;
        self.legend.draw(c, LEGEND)?;
        self.labels.draw(c, self.plot_top())
    }
}
