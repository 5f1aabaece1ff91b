//! `latencies-t<N>`: each request's response time over its due time, for one of the generator's threads.

use plotters::backend::DrawingBackend;

use super::axis::{Axis, count_label, time_label};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::cells::Cells;
use super::heading::{self, Swatch};
use super::marks::{self, ROW};
use super::palette::{DENSITY, MUTED, ORANGE, PURPLE, VERMILION};
use super::plot::Plot;
use super::{GUTTER, HEIGHT, MARGIN, View, WIDTH};
use crate::record::{Outcome, RequestRecord};

/// What became of a request, as far as the figure tells it apart.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Answered,
    BadStatus,
    Failed,
    LowerBound,
}

fn kind(r: &RequestRecord) -> Kind {
    match r.outcome() {
        Some(Outcome::Answered) if r.status > 399 => Kind::BadStatus,
        Some(Outcome::Answered) => Kind::Answered,
        _ if r.is_lower_bound() => Kind::LowerBound,
        _ => Kind::Failed,
    }
}

/// Occupied cells up to which a figure stays small on disk.
const MOST_CELLS: usize = 14_000;
const MOST_SIGNS: usize = 2_500;

pub fn draw<DB: DrawingBackend>(c: &Canvas<DB>, view: &View, thread: u16) -> Result<(), DrawError> {
    heading::title(c, view, &format!("Response time of each request, thread {thread}"))?;

    let mine = || view.requests.iter().filter(|r| r.thread == thread && r.is_last());
    let timed = || mine().filter_map(|r| r.response_time().map(|t| (r, t.0)));
    let (low, high) = timed().fold((u64::MAX, 0), |(low, high), (_, t)| (low.min(t), high.max(t)));
    let (low, high) = if low > high { (1_000_000, 1_000_000_000) } else { (low.max(1000), high) };
    let mut plot = Plot {
        left: GUTTER,
        right: WIDTH - MARGIN,
        top: 0,
        bottom: HEIGHT - 88,
        x: view.x(),
        y: Axis::log(low as f64 * 0.8, high.max(view.slo.unwrap_or(0)).max(1000) as f64 * 1.5),
    };
    let rows = view.marks.rows(c, &plot)?;
    plot.top = 132 + ROW * rows.len() as i32;
    marks::write(c, &rows, plot.top)?;

    view.marks.shade(c, &plot)?;
    plot.x_axis(c, count_label, Some("seconds since the start of load (when the request was due)"))?;
    plot.y_axis(c, 7, time_label)?;

    let mut points: [Vec<(i32, i32)>; 4] = Default::default();
    for (r, time) in timed() {
        points[kind(r) as usize].push((plot.x_px(r.due.as_secs_f64()), plot.y_px(time as f64)));
    }
    let [answered, bad_status, failed, bounds] = &points;
    for run in Cells::new(&plot, answered, &[4, 6, 8], MOST_CELLS).runs(shade) {
        let [x0, y0, x1, y1] = run.corners;
        c.rect((x0, y0), (x1, y1), DENSITY[run.class])?;
    }
    for run in Cells::new(&plot, bad_status, &[5, 7, 9], MOST_CELLS / 2).runs(|_| 0) {
        let [x0, y0, x1, y1] = run.corners;
        c.rect((x0, y0), (x1, y1), ORANGE)?;
    }
    let signs = |points| Cells::new(&plot, points, &[10, 14, 20], MOST_SIGNS);
    for at in signs(bounds).centres() {
        heading::triangle(c, at, 6, PURPLE)?;
    }
    for at in signs(failed).centres() {
        heading::cross(c, at, 6, VERMILION)?;
    }

    view.marks.lines(c, &plot)?;
    plot.slo(c, view.slo)?;
    plot.frame(c)?;
    if mine().next().is_none() {
        let middle = ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2);
        c.text("no requests", middle, LABEL, MUTED, Anchor::Center)?;
    }

    let kinds = [
        (answered, Swatch::Box, DENSITY[1], "answered"),
        (bad_status, Swatch::Box, ORANGE, "error status"),
        (failed, Swatch::Cross, VERMILION, "failed"),
        (bounds, Swatch::Triangle, PURPLE, "no answer (at least)"),
    ];
    let legend: Vec<_> = kinds
        .into_iter()
        .filter(|(points, ..)| !points.is_empty())
        .map(|(points, swatch, color, text)| (swatch, color, format!("{text}: {}", count_label(points.len() as f64))))
        .collect();
    heading::legend(c, (MARGIN, 122), &legend)
}

fn shade(count: u32) -> usize {
    match count {
        0..=2 => 0,
        3..=9 => 1,
        10..=39 => 2,
        _ => 3,
    }
}
