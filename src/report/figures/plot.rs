//! A rectangle with two axes, the frame around it, and the lines in it.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, time_label};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::palette::{AXIS, GRID, GROUND, TEXT};

/// Where data is drawn: px of the figure, and the values at its edges.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
    pub x: Axis,
    pub y: Axis,
}

impl Plot {
    pub fn x_px(&self, x: f64) -> i32 {
        self.left + (self.x.place(x) * f64::from(self.right - self.left)).round() as i32
    }

    pub fn y_px(&self, y: f64) -> i32 {
        self.bottom - (self.y.place(y) * f64::from(self.bottom - self.top)).round() as i32
    }

    /// Grid and labels of the y axis.
    pub fn y_axis<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        most: usize,
        label: fn(f64) -> String,
    ) -> Result<(), DrawError> {
        for tick in self.y.ticks(most) {
            let y = self.y_px(tick);
            c.line(&[(self.left, y), (self.right, y)], GRID, 1)?;
            c.text(&label(tick), (self.left - 12, y + LABEL * 3 / 10), LABEL, TEXT, Anchor::Right)?;
        }
        Ok(())
    }

    /// Grid of the x axis; labels and `title` below it if there is one.
    pub fn x_axis<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        label: fn(f64) -> String,
        title: Option<&str>,
    ) -> Result<(), DrawError> {
        for tick in self.x.ticks(11) {
            let x = self.x_px(tick);
            c.line(&[(x, self.top), (x, self.bottom)], GRID, 1)?;
            if title.is_some() {
                c.line(&[(x, self.bottom), (x, self.bottom + 7)], AXIS, 2)?;
                c.text(&label(tick), (x, self.bottom + 34), LABEL, TEXT, Anchor::Center)?;
            }
        }
        if let Some(title) = title {
            c.text(title, ((self.left + self.right) / 2, self.bottom + 70), LABEL, TEXT, Anchor::Center)?;
        }
        Ok(())
    }

    /// Lines at the left and the bottom, over the data.
    pub fn frame<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        c.line(&[(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], AXIS, 2)
    }

    /// A line through values; `None` interrupts it. A value alone between gaps is a dot.
    pub fn series<DB: DrawingBackend>(
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
                None => self.stroke(c, &mut points, color, width)?,
            }
        }
        self.stroke(c, &mut points, color, width)
    }

    fn stroke<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        points: &mut Vec<(i32, i32)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), DrawError> {
        if let [(x, y)] = points[..] {
            c.rect((x - 2, y - 2), (x + 2, y + 2), color)?;
        }
        c.line(points, color, width)?;
        points.clear();
        Ok(())
    }

    /// The bound on good response times on the y axis, if there is one.
    pub fn slo<DB: DrawingBackend>(&self, c: &Canvas<DB>, slo: Option<u64>) -> Result<(), DrawError> {
        let Some(slo) = slo.map(|ns| ns as f64) else { return Ok(()) };
        self.threshold(c, slo, &format!("SLO {}", time_label(slo)), TEXT)
    }

    /// A level dashed line at `y`, and what it means above its right end.
    pub fn threshold<DB: DrawingBackend>(
        &self,
        c: &Canvas<DB>,
        y: f64,
        label: &str,
        color: RGBColor,
    ) -> Result<(), DrawError> {
        let at = self.y_px(y);
        c.dashes((self.left, at), (self.right, at), color, 3)?;
        let width = c.width(label, LABEL)?;
        // Above the line, or below it where there is no room.
        let base = if at - LABEL - 8 > self.top { at - 10 } else { at + LABEL };
        c.rect((self.right - width - 16, base - LABEL + 5), (self.right - 2, base + 6), GROUND)?;
        c.text(label, (self.right - 8, base), LABEL, color, Anchor::Right)
    }
}

/// Keeps at most four points of one px column: where a line enters, its extremes, and where it leaves.
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
