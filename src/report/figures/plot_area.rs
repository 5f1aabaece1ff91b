//! A rectangle with two axes, its frame, and the lines in it.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, format_time};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::legend::{LegendEntry, LegendSymbol};
use super::measure::text_width;
use super::palette::{AXIS, GRID, TEXT};
use crate::units::Time;

/// The rectangle in which data is drawn: its edges in px of the figure, and its axes.
#[derive(Clone, Copy, Debug)]
pub struct PlotArea {
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
    pub x: Axis,
    pub y: Axis,
}

impl PlotArea {
    pub fn x_px(&self, x: f64) -> i32 {
        self.left + (self.x.position(x) * f64::from(self.right - self.left)).round() as i32
    }

    pub fn y_px(&self, y: f64) -> i32 {
        self.bottom - (self.y.position(y) * f64::from(self.bottom - self.top)).round() as i32
    }

    /// Draws grid and labels of the y axis.
    pub fn draw_y_axis<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        most: usize,
        label: fn(f64) -> String,
    ) -> Result<(), DrawError> {
        for tick in self.y.ticks(most) {
            let y = self.y_px(tick);
            c.draw_line(&[(self.left, y), (self.right, y)], GRID, 1)?;
            c.draw_text(&label(tick), (self.left - 12, y + LABEL * 3 / 10), LABEL, TEXT, Anchor::Right)?;
        }
        Ok(())
    }

    /// Draws the grid of the x axis, and labels and `title` below it if there is a title. A label that would touch the one
    /// before it is left out.
    pub fn draw_x_axis<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        label: fn(f64) -> String,
        title: Option<&str>,
    ) -> Result<(), DrawError> {
        let mut taken = i32::MIN;
        for tick in self.x.ticks(11) {
            let x = self.x_px(tick);
            c.draw_line(&[(x, self.top), (x, self.bottom)], GRID, 1)?;
            if title.is_none() {
                continue;
            }
            c.draw_line(&[(x, self.bottom), (x, self.bottom + 7)], AXIS, 2)?;
            let text = label(tick);
            let half = text_width(&text, LABEL)? / 2;
            if x - half > taken {
                c.draw_text(&text, (x, self.bottom + 34), LABEL, TEXT, Anchor::Center)?;
                taken = x + half + LABEL;
            }
        }
        if let Some(title) = title {
            c.draw_text(title, ((self.left + self.right) / 2, self.bottom + 70), LABEL, TEXT, Anchor::Center)?;
        }
        Ok(())
    }

    /// Draws lines at the left and at the bottom. Call it after the data is drawn.
    pub fn draw_frame<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        c.draw_line(&[(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], AXIS, 2)
    }

    /// Draws a line through values. `None` interrupts it. A single value between gaps is a dot.
    pub fn draw_series<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        values: impl IntoIterator<Item = (f64, Option<f64>)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), DrawError> {
        let mut points: Vec<(i32, i32)> = Vec::new();
        for (x, y) in values {
            match y {
                Some(y) => push_thinned(&mut points, (self.x_px(x), self.y_px(y))),
                None => self.draw_points(c, &mut points, color, width)?,
            }
        }
        self.draw_points(c, &mut points, color, width)
    }

    fn draw_points<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        points: &mut Vec<(i32, i32)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), DrawError> {
        if let [(x, y)] = points[..] {
            c.fill_rect((x - 2, y - 2), (x + 2, y + 2), color)?;
        }
        c.draw_line(points, color, width)?;
        points.clear();
        Ok(())
    }

    /// Draws the SLO as a threshold on the y axis, if there is one. Its label is in the legend: see [`slo_entry`].
    pub fn draw_slo<DB: DrawingBackend>(&self, c: &Canvas<DB>, slo: Option<Time>) -> Result<(), DrawError> {
        let Some(slo) = slo else { return Ok(()) };
        let at = self.y_px(slo.0 as f64);
        c.draw_dashes((self.left, at), (self.right, at), TEXT, 3)
    }

    /// Draws a dashed step line through values. `None` interrupts it.
    pub fn draw_steps<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        steps: &[(f64, Option<f64>)],
        color: RGBColor,
    ) -> Result<(), DrawError> {
        for pair in steps.windows(2) {
            let ((from, Some(y)), (to, next)) = (pair[0], pair[1]) else { continue };
            let (x0, x1, y0) = (self.x_px(from), self.x_px(to), self.y_px(y));
            c.draw_dashes((x0, y0), (x1, y0), color, 3)?;
            if let Some(next) = next {
                c.draw_dashes((x1, y0), (x1, self.y_px(next)), color, 3)?;
            }
        }
        Ok(())
    }
}

/// The legend entry of the SLO.
pub fn slo_entry(slo: Option<Time>) -> Option<LegendEntry> {
    slo.map(|slo| (LegendSymbol::Dashes, TEXT, format!("SLO {}", format_time(slo.0 as f64))))
}

/// Adds a point to a line. Of the points in one column of px it keeps at most four: first, lowest, highest and last.
fn push_thinned(points: &mut Vec<(i32, i32)>, point: (i32, i32)) {
    let same = points.iter().rev().take(4).take_while(|p| p.0 == point.0).count();
    if same < 4 {
        points.push(point);
        return;
    }
    let at = points.len() - 4;
    let column = &mut points[at..];
    let (low, high) = (column.iter().map(|p| p.1).min(), column.iter().map(|p| p.1).max());
    column[1].1 = low.unwrap_or(point.1).min(point.1);
    column[2].1 = high.unwrap_or(point.1).max(point.1);
    column[3] = point;
}
