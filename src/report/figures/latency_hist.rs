//! `latency-hist-t<N>`: how often each response time was seen, for one of the generator's threads.

use plotters::backend::DrawingBackend;

use super::axis::{Axis, count_label, time_label};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::heading::{self, Swatch};
use super::marks::{self, Label, ROW};
use super::palette::{BLUE, MUTED, PURPLE, TEXT, VERMILION};
use super::plot::Plot;
use super::{GUTTER, HEIGHT, MARGIN, View, WIDTH};
use crate::stats::{latency_histogram, record_time, value_at_percentile};

/// Bins in each factor of ten.
const PER_DECADE: f64 = 20.0;

#[derive(Clone, Copy, Default)]
struct Count {
    answered: u64,
    all: u64,
}

pub fn draw<DB: DrawingBackend>(c: &Canvas<DB>, view: &View, thread: u16) -> Result<(), DrawError> {
    heading::title(c, view, &format!("How long requests took, thread {thread}"))?;

    // Bins by the logarithm of the time in ns; the warm-up is left out, as in every percentile.
    let mut bins: Vec<Count> = Vec::new();
    let mut exact = latency_histogram();
    let counted = view.requests.iter().filter(|r| r.thread == thread && r.due.0 >= view.warmup && !r.is_warmup());
    for r in counted {
        let Some(time) = r.response_sample() else { continue };
        let bin = ((time.0.max(1000) as f64).log10() * PER_DECADE) as usize;
        if bin >= bins.len() {
            bins.resize(bin + 1, Count::default());
        }
        bins[bin].all += 1;
        bins[bin].answered += u64::from(!r.is_lower_bound());
        record_time(&mut exact, time);
    }

    let edge = |bin: usize| 10f64.powf(bin as f64 / PER_DECADE);
    let first = bins.iter().position(|b| b.all > 0).unwrap_or(120);
    let most = bins.iter().map(|b| b.all).max().unwrap_or(0);
    let mut plot = Plot {
        left: GUTTER,
        right: WIDTH - MARGIN - 20,
        top: 0,
        bottom: HEIGHT - 88,
        x: Axis::log(edge(first.saturating_sub(2)), edge(bins.len().max(first + 1) + 2)),
        y: Axis::log(0.5, most.max(5) as f64 * 1.5),
    };
    let percentiles = [(50.0, "p50", TEXT), (99.0, "p99", VERMILION)].map(|(percent, name, color)| {
        let ns = value_at_percentile(&exact, percent) as f64 * 1e3;
        (ns, format!("{name} {}", time_label(ns)), color)
    });
    let labels = if exact.is_empty() { &[][..] } else { &percentiles[..] };
    let placed = labels.iter().map(|(ns, text, color)| Label { at: plot.x_px(*ns), text: text.clone(), color: *color });
    let rows = marks::place(c, placed.collect(), plot.left, plot.right)?;
    plot.top = 132 + ROW * rows.len().max(1) as i32;
    marks::write(c, &rows, plot.top)?;

    plot.x_axis(c, time_label, Some("response time (log scale)"))?;
    plot.y_axis(c, 7, count_label)?;
    for (bin, count) in bins.iter().enumerate().filter(|(_, b)| b.all > 0) {
        let (x0, x1) = (plot.x_px(edge(bin)), plot.x_px(edge(bin + 1)));
        // A px between bars, where there is room for it.
        let x1 = (x1 - 2).max(x0 + 1);
        for (n, color) in [(count.all, PURPLE), (count.answered, BLUE)] {
            if n > 0 && (color == BLUE || n > count.answered) {
                c.rect((x0, plot.y_px(n as f64)), (x1, plot.bottom), color)?;
            }
        }
    }
    for (ns, _, color) in labels {
        let x = plot.x_px(*ns);
        c.dashes((x, plot.top), (x, plot.bottom), *color, 3)?;
    }
    plot.frame(c)?;
    if exact.is_empty() {
        let middle = ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2);
        c.text("no response times after the warm-up", middle, LABEL, MUTED, Anchor::Center)?;
    }

    let mut legend = vec![(Swatch::Box, BLUE, "answered (requests, log scale)".to_owned())];
    if bins.iter().any(|b| b.all > b.answered) {
        legend.push((Swatch::Box, PURPLE, "no answer, at least so long".to_owned()));
    }
    heading::legend(c, (MARGIN, 122), &legend)
}
