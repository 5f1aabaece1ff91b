//! `timeline`: rates, response times, open requests and memory, stacked over one time axis.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, count_label, time_label};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::heading::{self, Swatch};
use super::marks::{self, ROW};
use super::memory;
use super::palette::{BLACK, BLUE, GREEN, ORANGE, SKY, TEXT, VERMILION};
use super::plot::Plot;
use super::series::{self, Series};
use super::{GUTTER, MARGIN, View, WIDTH};

/// Of a panel, in px: its head (title and legend), and its plot.
const HEAD: i32 = 46;
const BODY: i32 = 210;
const GAP: i32 = 18;
/// Above the first panel: the title, and at most so many rows of labels.
const TOP: i32 = 92;
const MOST_ROWS: usize = 3;
const FOOT: i32 = 88;

pub fn height(view: &View) -> i32 {
    let panels = if view.samples.iter().any(|s| s.memory_bytes.is_some()) { 4 } else { 3 };
    TOP + MOST_ROWS as i32 * ROW + panels * (HEAD + BODY + GAP) + FOOT
}

struct Line {
    values: Series,
    color: RGBColor,
    width: u32,
    name: &'static str,
}

struct Panel {
    title: &'static str,
    y: Axis,
    label: fn(f64) -> String,
    lines: Vec<Line>,
}

pub fn draw<DB: DrawingBackend>(c: &Canvas<DB>, view: &View) -> Result<(), DrawError> {
    heading::title(c, view, "The run over time")?;
    let x = view.x();
    let sources = memory::sources(view.samples);
    let mut plot = Plot { left: GUTTER, right: WIDTH - MARGIN, top: 0, bottom: 0, x, y: x };
    let mut rows = view.marks.rows(c, &plot)?;
    rows.truncate(MOST_ROWS);
    let mut at = TOP + MOST_ROWS as i32 * ROW;
    // Labels stand right over the first plot, its head above them.
    let shift = ROW * rows.len() as i32;
    at -= shift;

    let panels = panels(view);
    let last = panels.len() + usize::from(!sources.is_empty()) - 1;
    let title = |i: usize| (i == last).then_some("seconds since the start of load");
    for (i, panel) in panels.iter().enumerate() {
        let legend: Vec<_> = panel.lines.iter().map(|l| (Swatch::Line, l.color, l.name.to_owned())).collect();
        head(c, at, panel.title, &legend)?;
        let labels = if i == 0 { shift } else { 0 };
        (plot.top, plot.bottom, plot.y) = (at + HEAD + labels, at + HEAD + labels + BODY, panel.y);
        if i == 0 {
            marks::write(c, &rows, plot.top)?;
        }
        view.marks.shade(c, &plot)?;
        plot.x_axis(c, count_label, title(i))?;
        plot.y_axis(c, 4, panel.label)?;
        for line in &panel.lines {
            plot.series(c, line.values.iter().copied(), line.color, line.width)?;
        }
        if i == 1 {
            plot.slo(c, view.slo)?;
        }
        view.marks.lines(c, &plot)?;
        plot.frame(c)?;
        at = plot.bottom + GAP;
    }
    if !sources.is_empty() {
        head(c, at, "memory, MiB", &memory::legend(&sources))?;
        (plot.top, plot.bottom, plot.y) = (at + HEAD, at + HEAD + BODY, memory::axis(&sources, 1.35));
        view.marks.shade(c, &plot)?;
        plot.x_axis(c, count_label, title(last))?;
        plot.y_axis(c, 4, count_label)?;
        memory::lines(c, &plot, &sources)?;
        view.marks.lines(c, &plot)?;
        plot.frame(c)?;
    }
    Ok(())
}

fn head<DB: DrawingBackend>(
    c: &Canvas<DB>,
    top: i32,
    title: &str,
    legend: &[(Swatch, RGBColor, String)],
) -> Result<(), DrawError> {
    let base = top + 32;
    c.text(title, (MARGIN, base), LABEL, TEXT, Anchor::Left)?;
    let x = (MARGIN + c.width(title, LABEL)? + 40).max(GUTTER + 210);
    heading::legend(c, (x, base), legend)
}

fn panels(view: &View) -> Vec<Panel> {
    let rates = series::rates(view);
    let open = series::open(view);
    let line = |values, color, width, name| Line { values, color, width, name };
    let counts = |lines: &[Line]| Axis::linear(0.0, range(lines).1.max(1.0) * 1.1);

    let mut per_second = vec![line(rates.offered, BLACK, 6, "offered"), line(rates.answered, SKY, 4, "answered well")];
    per_second.extend(rates.good.map(|good| line(good, GREEN, 4, "good (by due time)")));
    per_second.push(line(rates.errors, VERMILION, 3, "errors"));
    let times = vec![line(rates.p50, BLUE, 3, "p50"), line(rates.p99, ORANGE, 3, "p99")];
    let waiting = waiting(&open);
    let mut open_lines = vec![line(open.in_flight, BLUE, 3, "sent, not ended (in flight)")];
    if waiting {
        open_lines.insert(0, line(open.due, ORANGE, 3, "due, not ended"));
    }
    let (low, high) = match range(&times) {
        (low, high) if low > high => (1e6, 1e9),
        (low, high) => (low.max(1e3), high.max(1e3)),
    };
    vec![
        Panel { title: "requests/s", y: counts(&per_second), label: count_label, lines: per_second },
        Panel {
            title: "response time",
            y: Axis::log(low * 0.7, high.max(view.slo.unwrap_or(0) as f64) * 1.6),
            label: time_label,
            lines: times,
        },
        Panel { title: "open requests", y: counts(&open_lines), label: count_label, lines: open_lines },
    ]
}

/// Whether requests waited to be sent in numbers that a figure can show.
fn waiting(open: &series::Open) -> bool {
    let most = open.due.iter().filter_map(|p| p.1).fold(1.0, f64::max);
    let both = open.due.iter().zip(&open.in_flight);
    both.filter_map(|(due, sent)| Some(due.1? - sent.1?)).any(|n| n > most / 20.0)
}

fn range(lines: &[Line]) -> (f64, f64) {
    let values = lines.iter().flat_map(|l| l.values.iter().filter_map(|v| v.1));
    values.fold((f64::INFINITY, 0.0), |(low, high), v| (low.min(v), high.max(v)))
}
