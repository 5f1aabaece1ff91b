//! `timeline`: rates, response times, requests in flight, backlog and memory over one time axis.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;
use serde::Serialize;

use super::axis::{Axis, format_count, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::figure_data::FigureData;
use super::heading;
use super::layout::{GUTTER, MARGIN, ROW, WIDTH};
use super::legend::{Legend, LegendEntry, LegendSymbol};
use super::measure::text_width;
use super::memory;
use super::palette::{BLACK, BLUE, GREEN, ORANGE, SKY, TEXT, VERMILION};
use super::plot_area::{PlotArea, slo_entry};
use super::series::{self, Series};
use crate::units::Time;

/// Heights of a panel in px: the head (title and legend) and the plot.
const HEAD: i32 = 52;
const BODY: i32 = 210;
const GAP: i32 = 18;
/// The height of the title in px.
const TOP: i32 = 92;
const FOOT: i32 = 88;
/// Rows of labels for which the figure always has space: figures of different runs then have the same height.
const USUAL_ROWS: i32 = 3;

/// The height of the figure in px.
pub fn timeline_height(data: &FigureData) -> Result<i32, DrawError> {
    let labels = data.annotations.label_rows(data.time_axis())?.len().max(USUAL_ROWS);
    let memory = memory::legend_entries(&memory::memory_sources(data.samples, data.budget));
    let legend = arrange_legend(MEMORY, memory.clone())?.extra_height();
    let panels = if memory.is_empty() { 3 } else { 4 };
    Ok(TOP + labels * ROW + panels * (HEAD + BODY + GAP) + legend + FOOT)
}

pub const MEMORY: &str = "memory (MiB)";

/// A line in a panel, and its legend entry.
pub struct PanelLine {
    pub values: Series,
    pub color: RGBColor,
    pub width: u32,
    pub name: &'static str,
}

/// What the values of a panel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PanelUnit {
    Count,
    /// In ns.
    Time,
}

impl PanelUnit {
    /// What makes a text of a value.
    pub fn formatter(self) -> fn(f64) -> String {
        match self {
            PanelUnit::Count => format_count,
            PanelUnit::Time => format_time,
        }
    }
}

/// A panel without the memory, which has other lines.
pub struct TimelinePanel {
    pub title: &'static str,
    pub y: Axis,
    pub unit: PanelUnit,
    pub lines: Vec<PanelLine>,
    /// The limit of good response times, if the panel shows it.
    pub slo: Option<Time>,
}

pub fn draw_timeline<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData) -> Result<(), DrawError> {
    heading::draw_title(c, data, "Timeline")?;
    let x = data.time_axis();
    let sources = memory::memory_sources(data.samples, data.budget);
    let mut plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top: 0, bottom: 0, x, y: x };
    let rows = data.annotations.label_rows(x)?;
    // Labels stand directly above the first plot, and its head stands above them.
    let mut at = TOP + (USUAL_ROWS - rows.len()).max(0) * ROW;

    let panels = timeline_panels(data);
    let last = panels.len() + usize::from(!sources.is_empty()) - 1;
    let title = |i: usize| (i == last).then_some("seconds since the start of load");
    for (i, panel) in panels.iter().enumerate() {
        let lines = panel.lines.iter().map(|l| (LegendSymbol::Line, l.color, l.name.to_owned()));
        let head = draw_head(c, at, panel.title, lines.chain(slo_entry(panel.slo)).collect())?;
        let labels = if i == 0 { ROW * rows.len() } else { 0 };
        (plot.top, plot.bottom, plot.y) = (at + head + labels, at + head + labels + BODY, panel.y);
        if i == 0 {
            rows.draw(c, plot.top)?;
        }
        data.annotations.draw_windows(c, &plot)?;
        plot.draw_x_axis(c, format_count, title(i))?;
        plot.draw_y_axis(c, 4, panel.unit.formatter())?;
        for line in &panel.lines {
            plot.draw_series(c, line.values.iter().copied(), line.color, line.width)?;
        }
        plot.draw_slo(c, panel.slo)?;
        data.annotations.draw_instants(c, &plot)?;
        plot.draw_frame(c)?;
        at = plot.bottom + GAP;
    }
    if !sources.is_empty() {
        let head = draw_head(c, at, MEMORY, memory::legend_entries(&sources))?;
        (plot.top, plot.bottom, plot.y) = (at + head, at + head + BODY, memory::memory_axis(&sources));
        data.annotations.draw_windows(c, &plot)?;
        plot.draw_x_axis(c, format_count, title(last))?;
        plot.draw_y_axis(c, 4, format_count)?;
        memory::draw_sources(c, &plot, &sources)?;
        data.annotations.draw_instants(c, &plot)?;
        plot.draw_frame(c)?;
    }
    Ok(())
}

/// Draws the title and the legend of a panel. Returns their height in px.
fn draw_head<DB: DrawingBackend>(
    c: &Canvas<DB>,
    top: i32,
    title: &str,
    entries: Vec<LegendEntry>,
) -> Result<i32, DrawError> {
    let base = top + 32;
    c.draw_text(title, (MARGIN, base), LABEL, TEXT, Anchor::Left)?;
    let legend = arrange_legend(title, entries)?;
    legend.draw(c, base)?;
    Ok(HEAD + legend.extra_height())
}

fn arrange_legend(title: &str, entries: Vec<LegendEntry>) -> Result<Legend, DrawError> {
    Legend::arrange(entries, (MARGIN + text_width(title, LABEL)? + 40).max(GUTTER + 210), GUTTER)
}

/// All panels but that of the memory.
pub fn timeline_panels(data: &FigureData) -> Vec<TimelinePanel> {
    let rates = series::request_series(data);
    let concurrency = series::concurrency_series(data);
    let line = |values, color, width, name| PanelLine { values, color, width, name };
    let counts = |lines: &[PanelLine]| Axis::linear(0.0, value_range(lines).1.max(1.0) * 1.1);

    let mut per_second = vec![line(rates.due, BLACK, 6, "due"), line(rates.successful, SKY, 4, "successful")];
    per_second.extend(rates.goodput.map(|goodput| line(goodput, GREEN, 4, "goodput (by due time)")));
    per_second.push(line(rates.errors, VERMILION, 3, "errors"));
    let times =
        vec![line(rates.p50, BLUE, 3, "p50"), line(rates.p95, GREEN, 3, "p95"), line(rates.p99, ORANGE, 3, "p99")];
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
        TimelinePanel {
            title: "requests/s",
            y: counts(&per_second),
            unit: PanelUnit::Count,
            lines: per_second,
            slo: None,
        },
        TimelinePanel {
            title: "response time",
            y: Axis::log(low * 0.7, high.max(data.slo.unwrap_or_default().0 as f64) * 1.6),
            unit: PanelUnit::Time,
            lines: times,
            slo: data.slo,
        },
        TimelinePanel {
            title: "outstanding requests",
            y: counts(&outstanding),
            unit: PanelUnit::Count,
            lines: outstanding,
            slo: None,
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
