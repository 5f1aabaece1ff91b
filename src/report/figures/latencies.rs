//! `latencies-t<N>`: the response time of each request over its due time, for one generator thread.

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
use crate::record::{Outcome, RequestRecord};

/// The result of a request, as the figure shows it.
#[derive(Clone, Copy, PartialEq)]
enum PointKind {
    Successful,
    BadStatus,
    Failed,
    LowerBound,
}

fn point_kind(r: &RequestRecord) -> PointKind {
    match r.outcome() {
        Some(Outcome::Answered) if r.status > 399 => PointKind::BadStatus,
        Some(Outcome::Answered) => PointKind::Successful,
        _ if r.is_lower_bound() => PointKind::LowerBound,
        _ => PointKind::Failed,
    }
}

/// Limits of occupied cells. They keep the file small.
const MAX_CELLS: usize = 14_000;
const MAX_SYMBOLS: usize = 2_500;

/// The requests of a thread: what the figure shows.
fn requests_of<'a>(data: &'a FigureData, thread: u16) -> impl Iterator<Item = &'a RequestRecord> {
    data.requests.iter().filter(move |r| r.thread == thread && r.is_last())
}

pub fn heading(data: &FigureData, thread: u16) -> Result<Heading, DrawError> {
    let kinds = [
        (PointKind::Successful, LegendSymbol::Box, DENSITY[1], "successful"),
        (PointKind::BadStatus, LegendSymbol::Box, ORANGE, "status ≥ 400"),
        (PointKind::Failed, LegendSymbol::Cross, VERMILION, "failed"),
        (PointKind::LowerBound, LegendSymbol::Triangle, PURPLE, "lower bound"),
    ];
    let mut counts = [0u64; 4];
    requests_of(data, thread).filter(|r| r.response_time().is_some()).for_each(|r| counts[point_kind(r) as usize] += 1);
    let entry = |(kind, symbol, color, text): (PointKind, LegendSymbol, RGBColor, &str)| {
        let count = counts[kind as usize];
        (count > 0).then(|| (symbol, color, format!("{text}: {}", format_count(count as f64))))
    };
    let legend = kinds.into_iter().filter_map(entry).chain(slo_entry(data.slo)).collect();
    Heading::new(legend, data.annotations.label_rows(data.time_axis())?)
}

pub fn draw_latencies<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData, thread: u16) -> Result<(), DrawError> {
    let heading = heading(data, thread)?;
    heading.draw(c, data, &format!("Response time of each request, thread {thread}"))?;

    let timed = || requests_of(data, thread).filter_map(|r| r.response_time().map(|t| (r, t.0)));
    let (low, high) = timed().fold((u64::MAX, 0), |(low, high), (_, t)| (low.min(t), high.max(t)));
    let (low, high) = if low > high { (1_000_000, 1_000_000_000) } else { (low.max(1000), high) };
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
    for (r, time) in timed() {
        points[point_kind(r) as usize].push((plot.x_px(r.due.as_secs_f64()), plot.y_px(time as f64)));
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
    if requests_of(data, thread).next().is_none() {
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
