//! `latency-hist-t<N>`, `latency-hist-all`: a histogram of the response times, for one generator thread or all of them.

use plotters::backend::DrawingBackend;

use super::annotations::{Label, LabelRows};
use super::axis::{Axis, format_count, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::figure_data::FigureData;
use super::heading;
use super::layout::{GUTTER, HEIGHT, MARGIN, ROW, WIDTH};
use super::legend::{Legend, LegendSymbol};
use super::palette::{BLUE, MUTED, ORANGE, PURPLE, TEXT, VERMILION};
use super::plot_area::PlotArea;
use super::threads::Threads;
use crate::record::LowerBounds;
use crate::stats::{latency_histogram, value_at_percentile};

/// The number of bins in each decade.
const BINS_PER_DECADE: f64 = 20.0;

#[derive(Clone, Copy, Default)]
struct BinCount {
    successful: u64,
    answered: u64,
    all: u64,
}

pub fn draw_histogram<DB: DrawingBackend>(
    c: &Canvas<DB>,
    data: &FigureData,
    threads: Threads,
) -> Result<(), DrawError> {
    heading::draw_title(c, data, &format!("Requests by response time, {threads} (log scale)"))?;

    // The bins are logarithmic. The warm-up is excluded, as in all percentiles.
    let mut bins: Vec<BinCount> = Vec::new();
    let (mut times, mut lower_bounds) = (latency_histogram(), LowerBounds::default());
    let counts = threads.counts(data);
    let parts = [(&counts.successful_us, true, true), (&counts.bad_status_us, true, false)];
    for (part, is_answered, is_successful) in parts.into_iter().chain([(&counts.lower_bounds_us, false, false)]) {
        for (us, count) in part.buckets() {
            let bin = ((us.max(1) as f64 * 1e3).log10() * BINS_PER_DECADE) as usize;
            if bin >= bins.len() {
                bins.resize(bin + 1, BinCount::default());
            }
            bins[bin].all += count;
            bins[bin].answered += if is_answered { count } else { 0 };
            bins[bin].successful += if is_successful { count } else { 0 };
            times.saturating_record_n(us, count);
            if !is_answered {
                lower_bounds.add(&times, us, count);
            }
        }
    }

    let edge = |bin: usize| 10f64.powf(bin as f64 / BINS_PER_DECADE);
    let first = bins.iter().position(|b| b.all > 0).unwrap_or(120);
    let most = bins.iter().map(|b| b.all).max().unwrap_or(0);
    let mut plot = PlotArea {
        left: GUTTER,
        right: WIDTH - MARGIN - 20,
        top: 0,
        bottom: HEIGHT - 88,
        x: Axis::log(edge(first.saturating_sub(2)), edge(bins.len().max(first + 1) + 2)),
        y: Axis::log(0.5, most.max(5) as f64 * 1.5),
    };
    let percentiles = [(50.0, "p50", TEXT), (99.0, "p99", VERMILION)].map(|(percent, name, color)| {
        let ns = value_at_percentile(&times, percent) as f64 * 1e3;
        let [is_bound] = lower_bounds.are_bounds(&times, [percent]);
        (ns, format!("{name} {}{}", if is_bound { "≥ " } else { "" }, format_time(ns)), color)
    });
    let labels = if times.is_empty() { &[][..] } else { &percentiles[..] };
    let placed = labels.iter().map(|(ns, text, color)| Label { at: plot.x_px(*ns), text: text.clone(), color: *color });
    let rows = LabelRows::arrange(placed.collect(), plot.left, plot.right)?;
    plot.top = 132 + ROW * rows.len().max(1);
    rows.draw(c, plot.top)?;

    plot.draw_x_axis(c, format_time, Some("response time (log scale)"))?;
    plot.draw_y_axis(c, 7, format_count)?;
    for (bin, count) in bins.iter().enumerate().filter(|(_, b)| b.all > 0) {
        let (x0, x1) = (plot.x_px(edge(bin)), plot.x_px(edge(bin + 1)));
        // One px between bars, if they are wide enough.
        let x1 = (x1 - 2).max(x0 + 1);
        // Each part stands on the one before it.
        let parts = [
            (count.successful, 0, BLUE),
            (count.answered, count.successful, ORANGE),
            (count.all, count.answered, PURPLE),
        ];
        for (to, from, color) in parts.into_iter().filter(|(to, from, _)| to > from) {
            let bottom = if from == 0 { plot.bottom } else { plot.y_px(from as f64) };
            c.fill_rect((x0, plot.y_px(to as f64)), (x1, bottom), color)?;
        }
    }
    for (ns, _, color) in labels {
        let x = plot.x_px(*ns);
        c.draw_dashes((x, plot.top), (x, plot.bottom), *color, 3)?;
    }
    plot.draw_frame(c)?;
    if times.is_empty() {
        let middle = ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2);
        c.draw_text("no response times after the warm-up", middle, LABEL, MUTED, Anchor::Center)?;
    }

    let mut legend = vec![(LegendSymbol::Box, BLUE, "successful".to_owned())];
    if bins.iter().any(|b| b.answered > b.successful) {
        legend.push((LegendSymbol::Box, ORANGE, "status ≥ 400".to_owned()));
    }
    if bins.iter().any(|b| b.all > b.answered) {
        legend.push((LegendSymbol::Box, PURPLE, "lower bound (no response)".to_owned()));
    }
    Legend::arrange(legend, MARGIN, MARGIN)?.draw(c, 122)
}
