//! `latencies-t<N>`: the response time of each request over its due time, for one generator thread. Of a long run it shows
//! a sample.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, format_count, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::cell_grid::CellGrid;
use super::figure_data::FigureData;
use super::heading::Heading;
use super::layout::{GUTTER, MARGIN, WIDTH};
use super::legend::LegendSymbol;
use super::palette::{DENSITY, MUTED, ORANGE, PURPLE, VERMILION};
use super::plot_area::{PlotArea, slo_entry};
use super::symbols::{draw_cross, draw_triangle};
use crate::record::digest::{RequestResult, ThreadCounts};
use crate::units::Time;

/// Limits of occupied cells. They keep the file small.
const MAX_CELLS: usize = 14_000;
const MAX_SYMBOLS: usize = 2_500;

/// What is known of a thread; nothing of a thread without records.
fn counts_of(data: &FigureData, thread: u16) -> ThreadCounts {
    data.digest.threads.get(usize::from(thread)).cloned().unwrap_or_default()
}

pub fn heading(data: &FigureData, thread: u16) -> Result<Heading, DrawError> {
    let kinds = [
        (RequestResult::Successful, LegendSymbol::Box, DENSITY[1], "successful"),
        (RequestResult::BadStatus, LegendSymbol::Box, ORANGE, "status ≥ 400"),
        (RequestResult::Failed, LegendSymbol::Cross, VERMILION, "failed"),
        (RequestResult::LowerBound, LegendSymbol::Triangle, PURPLE, "lower bound"),
    ];
    let counts = counts_of(data, thread).results;
    let entry = |(kind, symbol, color, text): (RequestResult, LegendSymbol, RGBColor, &str)| {
        let count = counts[kind as usize];
        (count > 0).then(|| (symbol, color, format!("{text}: {}", format_count(count as f64))))
    };
    let legend = kinds.into_iter().filter_map(entry).chain(slo_entry(data.slo)).collect();
    Heading::new(legend, data.annotations.label_rows(data.time_axis())?)
}

pub fn draw_latencies<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData, thread: u16) -> Result<(), DrawError> {
    let heading = heading(data, thread)?;
    let counts = counts_of(data, thread);
    let shown = || data.digest.sample.requests().filter(|request| request.thread == thread);
    let title = if data.digest.sample.is_whole() {
        format!("Response time of each request, thread {thread}")
    } else {
        let all: u64 = counts.results.iter().sum();
        format!("Response times of thread {thread}: a random sample of {} of its {all} requests", shown().count())
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
    for run in CellGrid::new(&plot, successful, &[4, 6, 8], MAX_CELLS).runs(density_class) {
        let [x0, y0, x1, y1] = run.corners;
        c.fill_rect((x0, y0), (x1, y1), DENSITY[run.class])?;
    }
    for run in CellGrid::new(&plot, bad_status, &[5, 7, 9], MAX_CELLS / 2).runs(|_| 0) {
        let [x0, y0, x1, y1] = run.corners;
        c.fill_rect((x0, y0), (x1, y1), ORANGE)?;
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

fn density_class(count: u32) -> usize {
    match count {
        0..=2 => 0,
        3..=9 => 1,
        10..=39 => 2,
        _ => 3,
    }
}
