//! Fault, baseline, warm-up, recovery and incidents: the same annotations in every figure with a time axis.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::layout::{GUTTER, MARGIN, ROW, WIDTH};
use super::measure::{fit_text, text_width};
use super::palette::{BASELINE_BACKGROUND, FAULT_BACKGROUND, GREEN, MUTED, PURPLE, VERMILION, WARMUP_BACKGROUND};
use super::plot_area::PlotArea;
use crate::report::{Incident, ReportData};
use crate::units::Instant;

/// A text above a plot, centred at `at`.
#[derive(Clone, Debug)]
pub struct Label {
    /// In px.
    pub at: i32,
    pub text: String,
    pub color: RGBColor,
}

/// A part of the time axis, in seconds, with its background and its label.
#[derive(Clone, Debug)]
pub struct AnnotatedWindow {
    pub from: f64,
    pub to: f64,
    pub background: RGBColor,
    pub label: String,
    pub color: RGBColor,
}

/// The windows and instants of a run, in seconds.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    pub windows: Vec<AnnotatedWindow>,
    /// Labels that belong to no window.
    pub labels: Vec<(f64, String, RGBColor)>,
    pub instants: Vec<(f64, RGBColor)>,
}

impl Annotations {
    /// The annotations of an experiment. `axis_end` is the end of the time axis.
    pub fn of_experiment(data: &ReportData, axis_end: Instant) -> Annotations {
        let mut annotations = Annotations::default();
        for fault in &data.faults {
            let label = match fault.to {
                Some(_) => format!("fault: {}", fault.label),
                None => format!("fault: {} (removal not verified)", fault.label),
            };
            let to = fault.to.unwrap_or(axis_end).min(axis_end);
            annotations.add(fault.from, to, FAULT_BACKGROUND, label, VERMILION);
        }
        if let Some((from, to)) = data.baseline {
            annotations.add(from, to.min(axis_end), BASELINE_BACKGROUND, "baseline".into(), GREEN);
        }
        annotations.add_warmup(data.warmup_end, axis_end);
        if let Some(at) = data.recovered_at {
            annotations.instants.push((at.as_secs_f64(), GREEN));
            annotations.labels.push((at.as_secs_f64(), "recovered".into(), GREEN));
        }
        for incident in &data.incidents {
            annotations.instants.push((incident.at.min(axis_end).as_secs_f64(), PURPLE));
        }
        annotations.labels.extend(label_incidents(&data.incidents, axis_end));
        annotations
    }

    pub fn of_windows(windows: impl IntoIterator<Item = AnnotatedWindow>) -> Annotations {
        Annotations { windows: windows.into_iter().collect(), ..Annotations::default() }
    }

    /// The annotation of a plain load: its warm-up.
    pub fn of_load(warmup_end: Instant, axis_end: Instant) -> Annotations {
        let mut annotations = Annotations::default();
        annotations.add_warmup(warmup_end, axis_end);
        annotations
    }

    fn add_warmup(&mut self, warmup_end: Instant, axis_end: Instant) {
        self.add(Instant::START, warmup_end.min(axis_end), WARMUP_BACKGROUND, "warm-up".into(), MUTED);
    }

    fn add(&mut self, from: Instant, to: Instant, background: RGBColor, label: String, color: RGBColor) {
        if to > from {
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            self.windows.push(AnnotatedWindow { from, to, background, label, color });
        }
    }

    /// Draws the backgrounds of the windows. Call it before the data is drawn.
    pub fn draw_windows<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        for window in &self.windows {
            // At least two px, so that a short fault is visible.
            let (x0, x1) = (plot.x_px(window.from), plot.x_px(window.to));
            c.fill_rect((x0, plot.top), (x1.max(x0 + 2), plot.bottom), window.background)?;
        }
        Ok(())
    }

    /// Draws dashed lines at the instants. Call it after the data is drawn. Of lines that would touch each other, the first
    /// one is drawn, so that a component that dies again and again does not hide the data.
    pub fn draw_instants<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &PlotArea) -> Result<(), DrawError> {
        let mut drawn: Vec<(i32, RGBColor)> = Vec::new();
        for &(at, color) in &self.instants {
            let x = plot.x_px(at);
            if drawn.iter().any(|(other, same)| *same == color && (x - other).abs() < MIN_DISTANCE) {
                continue;
            }
            drawn.push((x, color));
            c.draw_dashes((x, plot.top), (x, plot.bottom), color, 3)?;
        }
        Ok(())
    }

    /// Arranges the labels in rows above a plot with this time axis.
    pub fn label_rows(&self, x: Axis) -> Result<LabelRows, DrawError> {
        let plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top: 0, bottom: 0, x, y: x };
        let label = |at: f64, text: &str, color| Label { at: plot.x_px(at), text: text.to_owned(), color };
        let of_windows = self.windows.iter().map(|w| label((w.from + w.to) / 2.0, &w.label, w.color));
        let others = self.labels.iter().map(|(at, text, color)| label(*at, text, *color));
        LabelRows::arrange(of_windows.chain(others).collect(), plot.left, plot.right)
    }
}

/// The smallest distance between two lines at instants, in px.
const MIN_DISTANCE: i32 = 7;
/// Kinds of incidents with a label each. More kinds get one label together.
const MAX_KINDS: usize = 8;

/// One label for all incidents of a kind, such as `db died 9 times`, in the middle of them. The report's table of events
/// has each of them.
fn label_incidents(incidents: &[Incident], axis_end: Instant) -> Vec<(f64, String, RGBColor)> {
    let mut kinds: Vec<(&str, Vec<&Incident>)> = Vec::new();
    for incident in incidents {
        match kinds.iter_mut().find(|(what, _)| *what == incident.what) {
            Some((_, same)) => same.push(incident),
            None => kinds.push((&incident.what, vec![incident])),
        }
    }
    let middle = |same: &[&Incident]| {
        let at = |incident: Option<&&Incident>| incident.map_or(0.0, |i| i.at.min(axis_end).as_secs_f64());
        (at(same.first()) + at(same.last())) / 2.0
    };
    if kinds.len() > MAX_KINDS {
        let all: Vec<&Incident> = incidents.iter().collect();
        let text = format!("{} incidents of {} kinds: see the table of events", all.len(), kinds.len());
        return vec![(middle(&all), text, PURPLE)];
    }
    let label = |(what, same): (&str, Vec<&Incident>)| {
        let text = match same.as_slice() {
            [only] => only.to_string(),
            several => format!("{what} {} times", several.len()),
        };
        (middle(&same), text, PURPLE)
    };
    kinds.into_iter().map(label).collect()
}

/// Labels above a plot, in rows. The first row is the lowest.
#[derive(Clone, Debug, Default)]
pub struct LabelRows(Vec<Vec<Label>>);

impl LabelRows {
    /// Arranges labels in rows so that no label touches another or leaves `left..right`. The first labels get the lowest
    /// rows.
    pub fn arrange(labels: Vec<Label>, left: i32, right: i32) -> Result<LabelRows, DrawError> {
        let mut taken: Vec<Vec<(i32, i32)>> = Vec::new();
        let mut rows: Vec<Vec<Label>> = Vec::new();
        for mut label in labels {
            label.text = fit_text(&label.text, LABEL, right - left)?;
            let half = text_width(&label.text, LABEL)? / 2 + 1;
            label.at = label.at.clamp(left + half, (right - half).max(left + half));
            let (from, to) = (label.at - half - 9, label.at + half + 9);
            let free = |row: &Vec<(i32, i32)>| row.iter().all(|(f, t)| to < *f || from > *t);
            let row = taken.iter().position(free).unwrap_or(rows.len());
            if row == rows.len() {
                rows.push(vec![]);
                taken.push(vec![]);
            }
            rows[row].push(label);
            taken[row].push((from, to));
        }
        Ok(LabelRows(rows))
    }

    /// The number of rows.
    pub fn len(&self) -> i32 {
        self.0.len() as i32
    }

    /// Draws the rows. The bottom of the lowest row is at `bottom`.
    pub fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>, bottom: i32) -> Result<(), DrawError> {
        for (i, row) in self.0.iter().enumerate() {
            let base = bottom - 8 - ROW * i as i32;
            for label in row {
                c.draw_text(&label.text, (label.at, base), LABEL, label.color, Anchor::Center)?;
            }
        }
        Ok(())
    }
}
