//! What stands above every plot: title, run, legend.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, DrawError, LABEL, TITLE};
use super::palette::{MUTED, TEXT};
use super::{MARGIN, View, WIDTH};

/// How a legend shows what it explains.
#[derive(Clone, Copy, Debug)]
pub enum Swatch {
    Line,
    Box,
    Cross,
    Triangle,
}

/// Title and run, 96 px high in all.
pub fn title<DB: DrawingBackend>(c: &Canvas<DB>, view: &View, title: &str) -> Result<(), DrawError> {
    let room = WIDTH - 2 * MARGIN;
    c.text(&c.fitted(title, TITLE, room)?, (MARGIN, 44), TITLE, TEXT, Anchor::Left)?;
    c.text(&c.fitted(&view.run, LABEL, room)?, (MARGIN, 82), LABEL, MUTED, Anchor::Left)
}

/// A legend in one row from `x` on, its base line at `base`.
pub fn legend<DB: DrawingBackend>(
    c: &Canvas<DB>,
    (mut x, base): (i32, i32),
    entries: &[(Swatch, RGBColor, String)],
) -> Result<(), DrawError> {
    for (swatch, color, text) in entries {
        let middle = (x + 14, base - LABEL * 3 / 10);
        match swatch {
            Swatch::Line => c.rect((x, middle.1 - 3), (x + 28, middle.1 + 2), *color)?,
            Swatch::Box => c.rect((middle.0 - 9, middle.1 - 9), (middle.0 + 9, middle.1 + 9), *color)?,
            Swatch::Cross => cross(c, middle, 8, *color)?,
            Swatch::Triangle => triangle(c, middle, 9, *color)?,
        }
        x += 38;
        let text = c.fitted(text, LABEL, (WIDTH - MARGIN - x).max(0))?;
        c.text(&text, (x, base), LABEL, TEXT, Anchor::Left)?;
        x += c.width(&text, LABEL)? + 30;
    }
    Ok(())
}

pub fn cross<DB: DrawingBackend>(c: &Canvas<DB>, (x, y): (i32, i32), r: i32, color: RGBColor) -> Result<(), DrawError> {
    c.line(&[(x - r, y - r), (x + r, y + r)], color, 3)?;
    c.line(&[(x - r, y + r), (x + r, y - r)], color, 3)
}

/// Points up: the true value is above.
pub fn triangle<DB: DrawingBackend>(
    c: &Canvas<DB>,
    (x, y): (i32, i32),
    r: i32,
    color: RGBColor,
) -> Result<(), DrawError> {
    c.polygon(&[(x - r, y + r), (x, y - r), (x + r, y + r)], color)
}
