//! Figures: one file a figure, each drawn by one function to PNG and to SVG. The same story gives the same bytes.

mod axis;
mod canvas;
mod cells;
mod heading;
mod latencies;
mod latency_hist;
mod marks;
mod memory;
mod palette;
mod plot;
mod series;
mod timeline;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;

use super::ReportData;
use super::digest::Digest;
use super::generator::GeneratorBlock;
use crate::record::{RequestRecord, Sample};
use crate::stats::ratio;
use axis::{Axis, count_label};
use canvas::{BITMAP, Backend, Canvas, SVG, error};
use marks::Marks;

pub use axis::time_label;
pub use canvas::DrawError;

/// Of every figure, in px. Text is large enough for half of it.
const WIDTH: i32 = 1280;
const HEIGHT: i32 = 720;
const MARGIN: i32 = 28;
/// Left of a plot, for the labels of the y axis.
const GUTTER: i32 = 128;

/// What a run's products show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Rates, response times, requests in flight and memory over one time axis.
    Timeline,
    Memory,
    /// Each request's response time, of one of the generator's threads.
    Latencies(u16),
    /// How often each response time was seen, of one of the generator's threads.
    LatencyHistogram(u16),
}

/// What figures are drawn from. Instants and spans are ns on the run's clock.
pub struct View<'a> {
    /// The run in a line, below every title.
    run: String,
    requests: &'a [RequestRecord],
    samples: &'a [Sample],
    /// Planned arrivals per second.
    rate: f64,
    warmup: u64,
    /// The end of arrivals.
    end: u64,
    /// The end of every time axis.
    span: u64,
    /// A response time up to this is good, where the plan says what is.
    slo: Option<u64>,
    marks: Marks,
}

impl<'a> View<'a> {
    /// Of an experiment.
    pub fn new(story: &'a ReportData, digest: &Digest) -> View<'a> {
        let run = format!("{}: {}", run(&story.name, story.rate), story.explanation.name);
        View {
            run,
            requests: &story.requests,
            samples: &story.samples,
            rate: story.rate,
            warmup: story.warmup,
            end: story.end,
            span: digest.span,
            slo: Some(story.slo),
            marks: Marks::of(story, digest.span),
        }
    }

    /// Of a plain load, which has no fault, no verdict and no notion of a good answer.
    pub fn of_load(name: &str, block: &GeneratorBlock, requests: &'a [RequestRecord]) -> View<'a> {
        // An axis has a length, be the run cut short at once.
        let span = block.elapsed_ns.max(block.arrivals_ns).max(1_000_000_000);
        View {
            run: run(name, block.planned_rate),
            requests,
            samples: &[],
            rate: block.planned_rate,
            warmup: block.warmup_ns,
            end: block.arrivals_ns,
            span,
            slo: None,
            marks: Marks::of_warmup(block.warmup_ns, span),
        }
    }

    /// The time axis, in seconds.
    fn x(&self) -> Axis {
        Axis::linear(0.0, self.span as f64 / 1e9)
    }
}

fn run(name: &str, rate: f64) -> String {
    format!("{name}, {} requests/s", count_label(ratio(rate, 1.0)))
}

/// A figure as files hold it.
pub struct Drawn {
    pub figure: Figure,
    pub png: Vec<u8>,
    pub svg: String,
}

impl Figure {
    /// Both forms.
    ///
    /// # Errors
    /// [`DrawError`] if the drawing library fails, which no data should make it do.
    pub fn drawn(self, view: &View) -> Result<Drawn, DrawError> {
        Ok(Drawn { figure: self, png: self.png(view)?, svg: self.svg(view)? })
    }

    /// All figures of a story, in the order in which a report shows them.
    pub fn all(story: &ReportData) -> Vec<Figure> {
        Figure::of_requests(story.threads).into_iter().chain([Figure::Memory]).collect()
    }

    /// Those that show requests, of the first `threads` threads.
    pub fn of_requests(threads: u16) -> Vec<Figure> {
        let scatters = (0..threads).map(Figure::Latencies);
        let histograms = (0..threads).map(Figure::LatencyHistogram);
        [Figure::Timeline].into_iter().chain(scatters).chain(histograms).collect()
    }

    /// Its file's name without the ending.
    pub fn stem(&self) -> String {
        match self {
            Figure::Timeline => "timeline".into(),
            Figure::Memory => "memory-usage".into(),
            Figure::Latencies(thread) => format!("latencies-t{thread}"),
            Figure::LatencyHistogram(thread) => format!("latency-hist-t{thread}"),
        }
    }

    /// What it shows, for those who can't see it.
    pub fn alt(&self) -> String {
        match self {
            Figure::Timeline => "Rates, response times, requests in flight and memory over time".into(),
            Figure::Memory => "Memory over time".into(),
            Figure::Latencies(thread) => format!("Each request's response time over time, thread {thread}"),
            Figure::LatencyHistogram(thread) => format!("Histogram of response times, thread {thread}"),
        }
    }

    /// # Errors
    /// As [`Figure::drawn`].
    pub fn png(&self, view: &View) -> Result<Vec<u8>, DrawError> {
        let (width, height) = self.size(view);
        let large = (width * BITMAP.scale as u32, height * BITMAP.scale as u32);
        let mut pixels = vec![255; large.0 as usize * large.1 as usize * 3];
        self.draw(view, BitMapBackend::with_buffer(&mut pixels, large), BITMAP)?;
        let pixels = halved(&pixels, large.0 as usize);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_filter(png::FilterType::NoFilter);
        encoder.set_compression(png::Compression::Default);
        encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).map_err(error)?;
        Ok(file)
    }

    /// # Errors
    /// As [`Figure::drawn`].
    pub fn svg(&self, view: &View) -> Result<String, DrawError> {
        let mut file = String::new();
        self.draw(view, SVGBackend::with_string(&mut file, self.size(view)), SVG)?;
        Ok(file)
    }

    fn size(&self, view: &View) -> (u32, u32) {
        let height = if *self == Figure::Timeline { timeline::height(view) } else { HEIGHT };
        (WIDTH as u32, height as u32)
    }

    fn draw<DB: DrawingBackend>(&self, view: &View, backend: DB, kind: Backend) -> Result<(), DrawError> {
        canvas::load_font()?;
        let area = backend.into_drawing_area();
        area.fill(&palette::GROUND).map_err(error)?;
        let c = Canvas::new(&area, kind);
        match self {
            Figure::Timeline => timeline::draw(&c, view)?,
            Figure::Memory => memory::draw(&c, view)?,
            Figure::Latencies(thread) => latencies::draw(&c, view, *thread)?,
            Figure::LatencyHistogram(thread) => latency_hist::draw(&c, view, *thread)?,
        }
        area.present().map_err(error)
    }
}

/// An RGB picture of `width` px at half its size: each px the mean of four.
fn halved(pixels: &[u8], width: usize) -> Vec<u8> {
    let row = width * 3;
    let mut half = Vec::with_capacity(pixels.len() / 4);
    for two in pixels.chunks_exact(row * 2) {
        let (upper, lower) = two.split_at(row);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            // Spelt out: this runs for every px of every figure.
            let mean = |i: usize| {
                ((u16::from(a[i]) + u16::from(a[i + 3]) + u16::from(b[i]) + u16::from(b[i + 3]) + 2) / 4) as u8
            };
            half.extend_from_slice(&[mean(0), mean(1), mean(2)]);
        }
    }
    half
}
