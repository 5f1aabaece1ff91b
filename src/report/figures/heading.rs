//! The heading of a figure: title, subtitle and legend.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, DrawError, LABEL, TITLE};
use super::figure_data::FigureData;
use super::layout::{MARGIN, WIDTH};
use super::palette::{MUTED, TEXT};

/// The symbol of a legend entry.
#[derive(Clone, Copy, Debug)]
pub enum LegendSymbol {
    Line,
    Box,
    Cross,
    Triangle,
}

/// Draws title and subtitle, 96 px high together.
pub fn draw_title<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData, title: &str) -> Result<(), DrawError> {
    let width = WIDTH - 2 * MARGIN;
    c.draw_text(&c.fit_text(title, TITLE, width)?, (MARGIN, 44), TITLE, TEXT, Anchor::Left)?;
    c.draw_text(&c.fit_text(&data.subtitle, LABEL, width)?, (MARGIN, 82), LABEL, MUTED, Anchor::Left)
}

/// Draws a legend in one row that starts at `x`, with its base line at `base`.
pub fn draw_legend<DB: DrawingBackend>(
    c: &Canvas<DB>,
    (mut x, base): (i32, i32),
    entries: &[(LegendSymbol, RGBColor, String)],
) -> Result<(), DrawError> {
    for (symbol, color, text) in entries {
        let middle = (x + 14, base - LABEL * 3 / 10);
        match symbol {
            LegendSymbol::Line => c.fill_rect((x, middle.1 - 3), (x + 28, middle.1 + 2), *color)?,
            LegendSymbol::Box => c.fill_rect((middle.0 - 9, middle.1 - 9), (middle.0 + 9, middle.1 + 9), *color)?,
            LegendSymbol::Cross => draw_cross(c, middle, 8, *color)?,
            LegendSymbol::Triangle => draw_triangle(c, middle, 9, *color)?,
        }
        x += 38;
        let text = c.fit_text(text, LABEL, (WIDTH - MARGIN - x).max(0))?;
        c.draw_text(&text, (x, base), LABEL, TEXT, Anchor::Left)?;
        x += c.text_width(&text, LABEL)? + 30;
    }
    Ok(())
}

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
