//! `timeline`: rates, response times, requests in flight, backlog and memory over one time axis.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::annotations::{self, ROW};
use super::axis::{Axis, format_count, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::figure_data::FigureData;
use super::heading::{self, LegendSymbol};
use super::layout::{GUTTER, MARGIN, WIDTH};
use super::memory;
use super::palette::{BLACK, BLUE, GREEN, ORANGE, SKY, TEXT, VERMILION};
use super::plot_area::PlotArea;
use super::series::{self, Series};

/// Heights of a panel in px: the head (title and legend) and the plot.
const HEAD: i32 = 46;
const BODY: i32 = 210;
const GAP: i32 = 18;
/// The height of the title in px.
const TOP: i32 = 92;
/// The largest number of label rows above the first panel.
const MAX_ROWS: usize = 3;
const FOOT: i32 = 88;

/// The height of the figure in px.
pub fn timeline_height(data: &FigureData) -> i32 {
    let panels = if data.samples.iter().any(|s| s.memory_bytes.is_some()) { 4 } else { 3 };
    TOP + MAX_ROWS as i32 * ROW + panels * (HEAD + BODY + GAP) + FOOT
}

/// A line in a panel, and its legend entry.
struct PanelLine {
    values: Series,
    color: RGBColor,
    width: u32,
    name: &'static str,
}

struct TimelinePanel {
    title: &'static str,
    y: Axis,
    label: fn(f64) -> String,
    lines: Vec<PanelLine>,
}

pub fn draw_timeline<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData) -> Result<(), DrawError> {
    heading::draw_title(c, data, "Timeline")?;
    let x = data.time_axis();
    let sources = memory::memory_sources(data.samples);
    let mut plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top: 0, bottom: 0, x, y: x };
    let mut rows = data.annotations.label_rows(c, &plot)?;
    rows.truncate(MAX_ROWS);
    let mut at = TOP + MAX_ROWS as i32 * ROW;
    // Labels stand directly above the first plot, and its head stands above them.
    let shift = ROW * rows.len() as i32;
    at -= shift;

    let panels = timeline_panels(data);
    let last = panels.len() + usize::from(!sources.is_empty()) - 1;
    let title = |i: usize| (i == last).then_some("seconds since the start of load");
    for (i, panel) in panels.iter().enumerate() {
        let legend: Vec<_> = panel.lines.iter().map(|l| (LegendSymbol::Line, l.color, l.name.to_owned())).collect();
        draw_head(c, at, panel.title, &legend)?;
        let labels = if i == 0 { shift } else { 0 };
        (plot.top, plot.bottom, plot.y) = (at + HEAD + labels, at + HEAD + labels + BODY, panel.y);
        if i == 0 {
            annotations::draw_labels(c, &rows, plot.top)?;
        }
        data.annotations.draw_windows(c, &plot)?;
        plot.draw_x_axis(c, format_count, title(i))?;
        plot.draw_y_axis(c, 4, panel.label)?;
        for line in &panel.lines {
            plot.draw_series(c, line.values.iter().copied(), line.color, line.width)?;
        }
        if i == 1 {
            plot.draw_slo(c, data.slo)?;
        }
        data.annotations.draw_instants(c, &plot)?;
        plot.draw_frame(c)?;
        at = plot.bottom + GAP;
    }
    if !sources.is_empty() {
        draw_head(c, at, "memory (MiB)", &memory::legend_entries(&sources))?;
        (plot.top, plot.bottom, plot.y) = (at + HEAD, at + HEAD + BODY, memory::memory_axis(&sources, 1.35));
        data.annotations.draw_windows(c, &plot)?;
        plot.draw_x_axis(c, format_count, title(last))?;
        plot.draw_y_axis(c, 4, format_count)?;
        memory::draw_sources(c, &plot, &sources)?;
        data.annotations.draw_instants(c, &plot)?;
        plot.draw_frame(c)?;
    }
    Ok(())
}

fn draw_head<DB: DrawingBackend>(
    c: &Canvas<DB>,
    top: i32,
    title: &str,
    legend: &[(LegendSymbol, RGBColor, String)],
) -> Result<(), DrawError> {
    let base = top + 32;
    c.draw_text(title, (MARGIN, base), LABEL, TEXT, Anchor::Left)?;
    let x = (MARGIN + c.text_width(title, LABEL)? + 40).max(GUTTER + 210);
    heading::draw_legend(c, (x, base), legend)
}

fn timeline_panels(data: &FigureData) -> Vec<TimelinePanel> {
    let rates = series::request_series(data);
    let concurrency = series::concurrency_series(data);
    let line = |values, color, width, name| PanelLine { values, color, width, name };
    let counts = |lines: &[PanelLine]| Axis::linear(0.0, value_range(lines).1.max(1.0) * 1.1);

    let mut per_second = vec![line(rates.due, BLACK, 6, "due"), line(rates.successful, SKY, 4, "successful")];
    per_second.extend(rates.goodput.map(|goodput| line(goodput, GREEN, 4, "goodput (by due time)")));
    per_second.push(line(rates.errors, VERMILION, 3, "errors"));
    let times = vec![line(rates.p50, BLUE, 3, "p50"), line(rates.p99, ORANGE, 3, "p99")];
    let has_backlog = exceeds_in_flight(&concurrency);
    let mut outstanding = vec![line(concurrency.in_flight, BLUE, 3, "in flight (sent, not ended)")];
    if has_backlog {
        outstanding.insert(0, line(concurrency.backlog, ORANGE, 3, "backlog (due, not ended)"));
    }
    let (low, high) = match value_range(&times) {
        (low, high) if low > high => (1e6, 1e9),
        (low, high) => (low.max(1e3), high.max(1e3)),
    };
    vec![
        TimelinePanel { title: "requests/s", y: counts(&per_second), label: format_count, lines: per_second },
        TimelinePanel {
            title: "response time",
            y: Axis::log(low * 0.7, high.max(data.slo.unwrap_or_default().0 as f64) * 1.6),
            label: format_time,
            lines: times,
        },
        TimelinePanel {
            title: "outstanding requests",
            y: counts(&outstanding),
            label: format_count,
            lines: outstanding,
        },
    ]
}

/// Whether the backlog exceeds the requests in flight by enough to be visible.
fn exceeds_in_flight(concurrency: &series::ConcurrencySeries) -> bool {
    let most = concurrency.backlog.iter().filter_map(|p| p.1).fold(1.0, f64::max);
    let both = concurrency.backlog.iter().zip(&concurrency.in_flight);
    both.filter_map(|(backlog, in_flight)| Some(backlog.1? - in_flight.1?)).any(|n| n > most / 20.0)
}

fn value_range(lines: &[PanelLine]) -> (f64, f64) {
    let values = lines.iter().flat_map(|l| l.values.iter().filter_map(|v| v.1));
    values.fold((f64::INFINITY, 0.0), |(low, high), v| (low.min(v), high.max(v)))
}
