//! The legend of a plot: as many rows as its entries need.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::layout::{MARGIN, ROW, WIDTH};
use super::measure::{fit_text, text_width};
use super::palette::TEXT;
use super::symbols::{draw_cross, draw_ring, draw_triangle};

/// The symbol of a legend entry.
#[derive(Clone, Copy, Debug)]
pub enum LegendSymbol {
    Line,
    /// A limit or another threshold.
    Dashes,
    Box,
    Cross,
    Triangle,
    Dot,
    Ring,
    /// No symbol: a title of the entries after it.
    None,
}

/// An entry: its symbol, colour and text.
pub type LegendEntry = (LegendSymbol, RGBColor, String);

/// The entries of a legend in rows, each with its left edge in px.
#[derive(Clone, Debug, Default)]
pub struct Legend {
    rows: Vec<Vec<(i32, LegendEntry)>>,
}

/// The width of a symbol, and the gaps behind it and behind a text, in px.
const SYMBOL: i32 = 38;
const GAP: i32 = 30;

impl LegendSymbol {
    fn width(self) -> i32 {
        if matches!(self, LegendSymbol::None) { 0 } else { SYMBOL }
    }
}

impl Legend {
    /// Arranges entries in rows. The first row starts at `first`, the others at `left`. Only an entry wider than a whole row
    /// is shortened.
    pub fn arrange(entries: Vec<LegendEntry>, first: i32, left: i32) -> Result<Legend, DrawError> {
        let right = WIDTH - MARGIN;
        let mut legend = Legend { rows: vec![Vec::new()] };
        let mut x = first;
        for (symbol, color, text) in entries {
            let text = fit_text(&text, LABEL, right - left - SYMBOL)?;
            let width = symbol.width() + text_width(&text, LABEL)?;
            if x + width > right {
                legend.rows.push(Vec::new());
                x = left;
            }
            legend.rows.last_mut().into_iter().for_each(|row| row.push((x, (symbol, color, text.clone()))));
            x += width + GAP;
        }
        Ok(legend)
    }

    /// The height of the rows after the first, in px.
    pub fn extra_height(&self) -> i32 {
        ROW * (self.rows.len() as i32 - 1).max(0)
    }

    /// Draws the legend. The base line of its first row is at `base`.
    pub fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>, base: i32) -> Result<(), DrawError> {
        for (i, row) in self.rows.iter().enumerate() {
            let base = base + ROW * i as i32;
            for (x, (symbol, color, text)) in row {
                let middle = (x + 14, base - LABEL * 3 / 10);
                match symbol {
                    LegendSymbol::Line => c.fill_rect((*x, middle.1 - 3), (x + 28, middle.1 + 2), *color)?,
                    LegendSymbol::Dashes => c.draw_dashes((*x, middle.1), (x + 28, middle.1), *color, 3)?,
                    LegendSymbol::Box => {
                        c.fill_rect((middle.0 - 9, middle.1 - 9), (middle.0 + 9, middle.1 + 9), *color)?;
                    }
                    LegendSymbol::Cross => draw_cross(c, middle, 8, *color)?,
                    LegendSymbol::Triangle => draw_triangle(c, middle, 9, *color)?,
                    LegendSymbol::Dot => c.fill_circle(middle, 11, *color)?,
                    LegendSymbol::Ring => draw_ring(c, middle, 11, *color)?,
                    LegendSymbol::None => {}
                }
                c.draw_text(text, (x + symbol.width(), base), LABEL, TEXT, Anchor::Left)?;
            }
        }
        Ok(())
    }
}
