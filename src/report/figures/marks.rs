//! What happened when: fault, baseline, warm-up and recovery, the same in every figure with a time axis.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::palette::{BASELINE_GROUND, FAULT_GROUND, GREEN, MUTED, PURPLE, VERMILION, WARMUP_GROUND};
use super::plot::Plot;
use crate::report::ReportData;

/// A text over a plot, centred at a place where there is room.
#[derive(Clone, Debug)]
pub struct Label {
    /// In px.
    pub at: i32,
    pub text: String,
    pub color: RGBColor,
}

/// The height of a row of labels in px.
pub const ROW: i32 = 34;

/// The windows and instants of a story, in seconds.
#[derive(Clone, Debug)]
pub struct Marks {
    windows: Vec<(f64, f64, RGBColor)>,
    labels: Vec<(f64, String, RGBColor)>,
    instants: Vec<(f64, RGBColor)>,
}

impl Marks {
    /// `span` is the end of the time axis, in ns.
    pub fn of(story: &ReportData, span: u64) -> Marks {
        let mut marks = Marks { windows: vec![], labels: vec![], instants: vec![] };
        for fault in &story.faults {
            let label = match fault.to {
                Some(_) => format!("fault: {}", fault.label),
                None => format!("fault: {} (removal not verified)", fault.label),
            };
            let to = fault.to.unwrap_or(span).min(span);
            marks.add(fault.from, to, FAULT_GROUND, Some(label), VERMILION);
        }
        if let Some((from, to)) = story.baseline {
            marks.add(from, to.min(span), BASELINE_GROUND, Some("baseline".into()), GREEN);
        }
        marks.add_warmup(story.warmup, span);
        if let Some(at) = story.recovered_at {
            marks.instants.push((seconds(at), GREEN));
            marks.labels.push((seconds(at), "recovered".into(), GREEN));
        }
        for (at, label) in story.incidents.iter().take(MOST_INCIDENTS) {
            marks.instants.push((seconds(*at), PURPLE));
            marks.labels.push((seconds(*at), label.clone(), PURPLE));
        }
        marks
    }

    /// Of a run with nothing but a warm-up.
    pub fn of_warmup(warmup: u64, span: u64) -> Marks {
        let mut marks = Marks { windows: vec![], labels: vec![], instants: vec![] };
        marks.add_warmup(warmup, span);
        marks
    }

    fn add_warmup(&mut self, warmup: u64, span: u64) {
        self.add(0, warmup.min(span), WARMUP_GROUND, Some("warm-up".into()), MUTED);
    }

    fn add(&mut self, from: u64, to: u64, ground: RGBColor, label: Option<String>, color: RGBColor) {
        if to > from {
            self.windows.push((seconds(from), seconds(to), ground));
            self.labels.extend(label.map(|l| ((seconds(from) + seconds(to)) / 2.0, l, color)));
        }
    }

    /// The grounds, under everything.
    pub fn shade<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &Plot) -> Result<(), DrawError> {
        for &(from, to, color) in &self.windows {
            // At least two px: a short fault is a fault too.
            let (x0, x1) = (plot.x_px(from), plot.x_px(to));
            c.rect((x0, plot.top), (x1.max(x0 + 2), plot.bottom), color)?;
        }
        Ok(())
    }

    /// The instants, over the data.
    pub fn lines<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &Plot) -> Result<(), DrawError> {
        for &(at, color) in &self.instants {
            let x = plot.x_px(at);
            c.dashes((x, plot.top), (x, plot.bottom), color, 3)?;
        }
        Ok(())
    }

    /// The labels' rows for a plot that is as wide as `plot`.
    pub fn rows<DB: DrawingBackend>(&self, c: &Canvas<DB>, plot: &Plot) -> Result<Vec<Vec<Label>>, DrawError> {
        let labels =
            self.labels.iter().map(|(at, text, color)| Label { at: plot.x_px(*at), text: text.clone(), color: *color });
        place(c, labels.collect(), plot.left, plot.right)
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// More deaths and restarts than this would cover the figure; the report's table has them all.
const MOST_INCIDENTS: usize = 6;

/// Puts labels into as few rows as it takes for none to touch another or leave `left..right`; the first ones get the
/// lowest rows.
pub fn place<DB: DrawingBackend>(
    c: &Canvas<DB>,
    labels: Vec<Label>,
    left: i32,
    right: i32,
) -> Result<Vec<Vec<Label>>, DrawError> {
    let mut taken: Vec<Vec<(i32, i32)>> = Vec::new();
    let mut rows: Vec<Vec<Label>> = Vec::new();
    for mut label in labels {
        label.text = c.fitted(&label.text, LABEL, right - left)?;
        let half = c.width(&label.text, LABEL)? / 2 + 1;
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
    Ok(rows)
}

/// Draws rows of labels, the lowest one's bottom at `bottom`.
pub fn write<DB: DrawingBackend>(c: &Canvas<DB>, rows: &[Vec<Label>], bottom: i32) -> Result<(), DrawError> {
    for (i, row) in rows.iter().enumerate() {
        let base = bottom - 8 - ROW * i as i32;
        for label in row {
            c.text(&label.text, (label.at, base), LABEL, label.color, Anchor::Center)?;
        }
    }
    Ok(())
}
