//! Figures. Each has its own file, and one function draws it as PNG and as SVG. The same data gives the same bytes.

mod annotations;
mod axis;
mod canvas;
mod cell_grid;
mod figure_data;
mod heading;
mod latencies;
mod latency_hist;
mod layout;
mod legend;
mod measure;
mod memory;
mod palette;
mod plot_area;
mod series;
mod symbols;
mod timeline;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;

use super::ReportData;
use canvas::{BITMAP, BackendStyle, Canvas, SVG, to_draw_error};
use layout::{HEIGHT, WIDTH};

pub use axis::format_time;
pub use canvas::DrawError;
pub use figure_data::FigureData;
#[cfg(test)]
pub use measure::text_width;

/// A figure of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Rates, response times, requests in flight, backlog and memory over one time axis.
    Timeline,
    Memory,
    /// The response time of each request of a thread.
    Latencies(u16),
    /// The histogram of the response times of a thread.
    LatencyHistogram(u16),
}

/// The content of the two files of a figure.
pub struct FigureImages {
    pub figure: Figure,
    pub png: Vec<u8>,
    pub svg: String,
}

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
        Figure::of_requests(data.threads).into_iter().chain([Figure::Memory]).collect()
    }

    /// The figures that show requests, for the first `threads` threads.
    pub fn of_requests(threads: u16) -> Vec<Figure> {
        let scatters = (0..threads).map(Figure::Latencies);
        let histograms = (0..threads).map(Figure::LatencyHistogram);
        [Figure::Timeline].into_iter().chain(scatters).chain(histograms).collect()
    }

    /// The name of the files without the extension.
    pub fn file_stem(&self) -> String {
        match self {
            Figure::Timeline => "timeline".into(),
            Figure::Memory => "memory-usage".into(),
            Figure::Latencies(thread) => format!("latencies-t{thread}"),
            Figure::LatencyHistogram(thread) => format!("latency-hist-t{thread}"),
        }
    }

    /// A description for screen readers.
    pub fn alt_text(&self) -> String {
        match self {
            Figure::Timeline => "Rates, response times, requests in flight, backlog and memory over time".into(),
            Figure::Memory => "Memory over time".into(),
            Figure::Latencies(thread) => format!("Response time of each request over time, thread {thread}"),
            Figure::LatencyHistogram(thread) => format!("Histogram of response times, thread {thread}"),
        }
    }

    /// # Errors
    /// As [`Figure::render`].
    pub fn render_png(&self, data: &FigureData) -> Result<Vec<u8>, DrawError> {
        let (width, height) = self.size(data)?;
        let large = (width * BITMAP.scale as u32, height * BITMAP.scale as u32);
        let mut pixels = vec![255; large.0 as usize * large.1 as usize * 3];
        self.draw(data, BitMapBackend::with_buffer(&mut pixels, large), BITMAP)?;
        let pixels = halve(&pixels, large.0 as usize);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_filter(png::FilterType::NoFilter);
        encoder.set_compression(png::Compression::Default);
        encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).map_err(to_draw_error)?;
        Ok(file)
    }

    /// # Errors
    /// As [`Figure::render`].
    pub fn render_svg(&self, data: &FigureData) -> Result<String, DrawError> {
        let mut file = String::new();
        self.draw(data, SVGBackend::with_string(&mut file, self.size(data)?), SVG)?;
        Ok(file)
    }

    fn size(&self, data: &FigureData) -> Result<(u32, u32), DrawError> {
        let height = match self {
            Figure::Timeline => timeline::timeline_height(data)?,
            Figure::Memory => memory::heading(data)?.figure_height(),
            Figure::Latencies(thread) => latencies::heading(data, *thread)?.figure_height(),
            Figure::LatencyHistogram(_) => HEIGHT,
        };
        Ok((WIDTH as u32, height as u32))
    }

    fn draw<DB: DrawingBackend>(&self, data: &FigureData, backend: DB, style: BackendStyle) -> Result<(), DrawError> {
        canvas::register_embedded_font()?;
        let area = backend.into_drawing_area();
        area.fill(&palette::BACKGROUND).map_err(to_draw_error)?;
        let c = Canvas::new(&area, style);
        match self {
            Figure::Timeline => timeline::draw_timeline(&c, data)?,
            Figure::Memory => memory::draw_memory(&c, data)?,
            Figure::Latencies(thread) => latencies::draw_latencies(&c, data, *thread)?,
            Figure::LatencyHistogram(thread) => latency_hist::draw_histogram(&c, data, *thread)?,
        }
        area.present().map_err(to_draw_error)
    }
}

/// Scales an RGB image of `width` px to half its size. Each px is the mean of four.
fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    let row = width * 3;
    let mut half = Vec::with_capacity(pixels.len() / 4);
    for two in pixels.chunks_exact(row * 2) {
        let (upper, lower) = two.split_at(row);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            // Without a loop, because this runs for every px of every figure.
            let mean = |i: usize| {
                ((u16::from(a[i]) + u16::from(a[i + 3]) + u16::from(b[i]) + u16::from(b[i + 3]) + 2) / 4) as u8
            };
            half.extend_from_slice(&[mean(0), mean(1), mean(2)]);
        }
    }
    half
}
