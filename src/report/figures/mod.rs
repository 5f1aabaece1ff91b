//! Figures. Each has its own file, and one function draws it as PNG and as SVG. The same data gives the same bytes.

mod annotations;
mod axis;
mod canvas;
mod cell_grid;
mod certificate;
mod chart_data;
mod density;
mod drawing;
mod figure_data;
mod heading;
mod hysteresis;
mod latencies;
mod latency_hist;
mod layout;
mod legend;
mod map;
mod measure;
mod memory;
mod palette;
mod plot_area;
mod search;
mod series;
mod symbols;
mod threads;
mod timeline;

use plotters::backend::DrawingBackend;

use super::ReportData;
use canvas::Canvas;
use layout::{HEIGHT, WIDTH};

pub use axis::{format_count, format_time};
pub use canvas::DrawError;
pub use certificate::{CertificateFigure, FigureState, FigureWindow, WindowKind};
pub use chart_data::ChartSet;
pub use drawing::Drawing;
pub use figure_data::{FigureData, load_frame};
pub use hysteresis::{FigureEstimate, HysteresisFigure};
pub use map::{MapColumn, MapDot, MapFigure};
#[cfg(test)]
pub use measure::text_width;
#[cfg(test)]
pub use palette::DENSITY;
pub use search::{SearchFigure, SearchMark};
pub use threads::Threads;

/// A figure of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Rates, response times, requests in flight, backlog and memory over one time axis.
    Timeline,
    Memory,
    /// The response time of each request.
    Latencies(Threads),
    /// The histogram of the response times.
    LatencyHistogram(Threads),
}

/// The content of the two files of a figure.
pub struct FigureImages {
    pub figure: Figure,
    pub png: Vec<u8>,
    pub svg: String,
}

/// The most threads of several generators that have figures.
const MAX_THREADS: u16 = 8;

impl Figure {
    /// Draws the figure in both formats.
    ///
    /// # Errors
    /// [`DrawError`] if the drawing library fails. No data causes this.
    pub fn render(self, data: &FigureData) -> Result<FigureImages, DrawError> {
        Ok(FigureImages { figure: self, png: self.render_png(data)?, svg: self.render_svg(data)? })
    }

    /// All figures of an experiment, in the order of the report.
    pub fn all(data: &ReportData) -> Vec<Figure> {
        // Of several generators, a reader compares only a few threads.
        let threads = if data.generator.parts.is_empty() { data.threads } else { data.threads.min(MAX_THREADS) };
        Figure::of_requests(threads).into_iter().chain([Figure::Memory]).collect()
    }

    /// The figures that show requests: of several threads together, and of each of the first `threads`.
    pub fn of_requests(threads: u16) -> Vec<Figure> {
        let together = (threads > 1).then_some(Threads::All);
        let shown = || together.into_iter().chain((0..threads).map(Threads::One));
        let figures = shown().map(Figure::Latencies).chain(shown().map(Figure::LatencyHistogram));
        [Figure::Timeline].into_iter().chain(figures).collect()
    }

    /// The name of the files without the extension.
    pub fn file_stem(&self) -> String {
        match self {
            Figure::Timeline => "timeline".into(),
            Figure::Memory => "memory-usage".into(),
            Figure::Latencies(threads) => format!("latencies-{}", threads.file_name()),
            Figure::LatencyHistogram(threads) => format!("latency-hist-{}", threads.file_name()),
        }
    }

    /// A description for screen readers.
    pub fn alt_text(&self) -> String {
        match self {
            Figure::Timeline => "Rates, response times, requests in flight, backlog and memory over time".into(),
            Figure::Memory => "Memory over time".into(),
            Figure::Latencies(threads) => format!("Response time of each request over time, {threads}"),
            Figure::LatencyHistogram(threads) => format!("Histogram of response times, {threads}"),
        }
    }

    /// # Errors
    /// As [`Figure::render`].
    pub fn render_png(&self, data: &FigureData) -> Result<Vec<u8>, DrawError> {
        FigureOfData(*self, data).render_png()
    }

    /// # Errors
    /// As [`Figure::render`].
    pub fn render_svg(&self, data: &FigureData) -> Result<String, DrawError> {
        FigureOfData(*self, data).render_svg()
    }
}

/// A figure and what it shows.
struct FigureOfData<'a>(Figure, &'a FigureData<'a>);

impl Drawing for FigureOfData<'_> {
    fn size(&self) -> Result<(u32, u32), DrawError> {
        let FigureOfData(figure, data) = self;
        let height = match figure {
            Figure::Timeline => timeline::timeline_height(data)?,
            Figure::Memory => memory::heading(data)?.figure_height(),
            Figure::Latencies(threads) => latencies::heading(data, *threads)?.figure_height(),
            Figure::LatencyHistogram(_) => HEIGHT,
        };
        Ok((WIDTH as u32, height as u32))
    }

    fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        let FigureOfData(figure, data) = self;
        match figure {
            Figure::Timeline => timeline::draw_timeline(c, data),
            Figure::Memory => memory::draw_memory(c, data),
            Figure::Latencies(threads) => latencies::draw_latencies(c, data, *threads),
            Figure::LatencyHistogram(threads) => latency_hist::draw_histogram(c, data, *threads),
        }
    }
}
