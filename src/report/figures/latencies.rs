//! `latencies-t<N>`, `latencies-all`: the response time of each request over its due time, for one generator thread or all of
//! them. Of a long run it shows a sample.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, format_count, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::cell_grid::CellGrid;
use super::density::DensityScale;
use super::figure_data::FigureData;
use super::heading::Heading;
use super::layout::{GUTTER, MARGIN, WIDTH};
use super::legend::LegendSymbol;
use super::palette::{BAD_STATUS_DENSITY, DENSITY, MUTED, PURPLE, VERMILION};
use super::plot_area::{PlotArea, slo_entry};
use super::symbols::{draw_cross, draw_triangle};
use super::threads::Threads;
use crate::record::digest::{RequestResult, ThreadCounts};
use crate::stats::ratio;
use crate::units::Time;

/// Limits of occupied cells. They keep the file small.
const MAX_CELLS: usize = 14_000;
const MAX_SYMBOLS: usize = 2_500;

pub fn heading(data: &FigureData, threads: Threads) -> Result<Heading, DrawError> {
    let kinds = [
        (RequestResult::Successful, LegendSymbol::Box, DENSITY[1], "successful"),
        (RequestResult::BadStatus, LegendSymbol::Box, BAD_STATUS_DENSITY[1], "status ≥ 400"),
        (RequestResult::Failed, LegendSymbol::Cross, VERMILION, "failed"),
        (RequestResult::LowerBound, LegendSymbol::Triangle, PURPLE, "lower bound"),
    ];
    let counts = threads.counts(data);
    let entry = |(kind, symbol, color, text): (RequestResult, LegendSymbol, RGBColor, &str)| {
        let count = counts.results[kind as usize];
        (count > 0).then(|| (symbol, color, format!("{text}: {}", format_count(count as f64))))
    };
    let legend = kinds.into_iter().filter_map(entry).chain(slo_entry(data.slo)).collect();
    let heading = Heading::new(legend, data.annotations.label_rows(data.time_axis())?)?;
    Ok(if has_cells(&counts) { heading.with_scale() } else { heading })
}

/// Whether requests are drawn as cells whose colour depends on their number.
fn has_cells(counts: &ThreadCounts) -> bool {
    counts.results[RequestResult::Successful as usize] + counts.results[RequestResult::BadStatus as usize] > 0
}

pub fn draw_latencies<DB: DrawingBackend>(
    c: &Canvas<DB>,
    data: &FigureData,
    threads: Threads,
) -> Result<(), DrawError> {
    let heading = heading(data, threads)?;
    let counts = threads.counts(data);
    let shown = || data.digest.sample.requests().filter(|request| threads.contain(request.thread));
    let title = if data.digest.sample.is_whole() {
        format!("Response time of each request, {threads}")
    } else {
        let all: u64 = counts.results.iter().sum();
        format!("Response times, {threads}: a random sample of {} of {all} requests", shown().count())
    };
    heading.draw(c, data, &title)?;

    let (low, high) = counts.range().unwrap_or((Time::from_millis(1), Time::from_secs(1)));
    let (low, high) = (low.0.max(1000), high.0);
    let plot = PlotArea {
        left: GUTTER,
        right: WIDTH - MARGIN,
        top: heading.plot_top(),
        bottom: heading.plot_bottom(),
        x: data.time_axis(),
        y: Axis::log(low as f64 * 0.8, high.max(data.slo.unwrap_or_default().0).max(1000) as f64 * 1.5),
    };

    data.annotations.draw_windows(c, &plot)?;
    plot.draw_x_axis(c, format_count, Some("due time in seconds since the start of load"))?;
    plot.draw_y_axis(c, 7, format_time)?;

    let mut points: [Vec<(i32, i32)>; 4] = Default::default();
    for request in shown() {
        let at = (plot.x_px(request.due.as_secs_f64()), plot.y_px(request.took.0 as f64));
        points[request.result as usize].push(at);
    }
    let [successful, bad_status, failed, bounds] = &points;
    let cells = |points| CellGrid::new(&plot, points, &[4, 6, 8], MAX_CELLS);
    let kinds =
        [(RequestResult::Successful, successful, DENSITY), (RequestResult::BadStatus, bad_status, BAD_STATUS_DENSITY)];
    let grids = kinds.map(|(kind, points, colors)| {
        // How many requests each of the sample stands for.
        let weight = ratio(counts.results[kind as usize] as f64, points.len() as f64).max(1.0);
        (cells(points), weight, colors)
    });
    let most = grids.iter().map(|(grid, weight, _)| f64::from(grid.most()) * weight).fold(0.0, f64::max);
    let scale = DensityScale::new(most);
    for (grid, weight, colors) in &grids {
        for run in grid.runs(|count| scale.class(f64::from(count) * weight)) {
            let [x0, y0, x1, y1] = run.corners;
            c.fill_rect((x0, y0), (x1, y1), scale.color(run.class, *colors))?;
        }
    }
    if has_cells(&counts) {
        let colors = if successful.is_empty() { BAD_STATUS_DENSITY } else { DENSITY };
        let is_estimated = grids.iter().any(|(_, weight, _)| *weight > 1.0);
        scale.legend(colors, is_estimated)?.draw(c, heading.scale_base())?;
    }
    let symbols = |points| CellGrid::new(&plot, points, &[10, 14, 20], MAX_SYMBOLS);
    for at in symbols(bounds).centres() {
        draw_triangle(c, at, 6, PURPLE)?;
    }
    for at in symbols(failed).centres() {
        draw_cross(c, at, 6, VERMILION)?;
    }

    data.annotations.draw_instants(c, &plot)?;
    plot.draw_slo(c, data.slo)?;
    plot.draw_frame(c)?;
    if counts.requests == 0 {
        let middle = ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2);
        c.draw_text("no requests", middle, LABEL, MUTED, Anchor::Center)?;
    }
    Ok(())
}
