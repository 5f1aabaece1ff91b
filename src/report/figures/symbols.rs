//! Symbols of single requests and runs.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::canvas::{Canvas, DrawError};
use super::palette::BACKGROUND;

pub fn draw_cross<DB: DrawingBackend>(
    c: &Canvas<DB>,
    (x, y): (i32, i32),
    r: i32,
    color: RGBColor,
) -> Result<(), DrawError> {
    c.draw_line(&[(x - r, y - r), (x + r, y + r)], color, 3)?;
    c.draw_line(&[(x - r, y + r), (x + r, y - r)], color, 3)
}

/// A triangle that points up, because the true value is higher.
pub fn draw_triangle<DB: DrawingBackend>(
    c: &Canvas<DB>,
    (x, y): (i32, i32),
    r: i32,
    color: RGBColor,
) -> Result<(), DrawError> {
    c.fill_polygon(&[(x - r, y + r), (x, y - r), (x + r, y + r)], color)
}

/// A ring that hides what is behind it.
pub fn draw_ring<DB: DrawingBackend>(c: &Canvas<DB>, at: (i32, i32), r: i32, color: RGBColor) -> Result<(), DrawError> {
    c.fill_circle(at, r, color)?;
    c.fill_circle(at, r - 4, BACKGROUND)
}
