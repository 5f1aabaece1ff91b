//! The few strokes that figures are made of, on any plotters backend.

use plotters::backend::DrawingBackend;
use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
/// Where on a text its position is.
pub use plotters::style::text_anchor::HPos as Anchor;
use plotters::style::text_anchor::{Pos, VPos};
use plotters::style::{Color, FontStyle, RGBColor, ShapeStyle, TextStyle, register_font};

/// A figure could not be drawn. The text says what the drawing library said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the figure could not be drawn: {0}")]
pub struct DrawError(pub String);

/// The font, and what a viewer of an SVG takes where it has not got it. plotters writes the name into the SVG as it is.
pub const FONT: &str = "DejaVu Sans, Verdana, Helvetica, sans-serif";

/// Sizes of text in px, large enough to be read at half the figure's size.
pub const TITLE: i32 = 36;
pub const LABEL: i32 = 28;

/// Coordinates and sizes are px of the figure; a backend may have several px of its own for each.
pub struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    backend: Backend,
}

/// In what plotters' backends differ.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// Backend px per figure px.
    pub scale: i32,
    /// The distance from a text's top to its base line, in sizes.
    pub base: f64,
    /// Thick lines grow spikes at sharp corners: they are drawn piece by piece instead, with a dot on each corner.
    pub spikes: bool,
}

/// Bitmaps are drawn at twice their size and averaged down: plotters' own lines are jagged.
pub const BITMAP: Backend = Backend { scale: 2, base: 0.5, spikes: true };
pub const SVG: Backend = Backend { scale: 1, base: 0.76 / 1.24, spikes: false };

/// Makes [`FONT`] known to plotters; again and again is fine.
pub fn load_font() -> Result<(), DrawError> {
    register_font(FONT, FontStyle::Normal, include_bytes!("../fonts/DejaVuSans.ttf"))
        .map_err(|_| DrawError("the embedded font is damaged".into()))
}

type Point = (i32, i32);

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    pub fn new(area: &'a DrawingArea<DB, Shift>, backend: Backend) -> Self {
        Canvas { area, backend }
    }

    fn at(&self, (x, y): Point) -> Point {
        (x * self.backend.scale, y * self.backend.scale)
    }

    /// A filled rectangle, right and bottom edge excluded; corners may come in any order.
    pub fn rect(&self, a: Point, b: Point, color: RGBColor) -> Result<(), DrawError> {
        let corners = [(a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))].map(|p| self.at(p));
        self.area.draw(&Rectangle::new(corners, color.filled())).map_err(error)
    }

    pub fn line(&self, points: &[Point], color: RGBColor, width: u32) -> Result<(), DrawError> {
        if points.len() < 2 {
            return Ok(());
        }
        let style =
            ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: width * self.backend.scale as u32 };
        let points: Vec<Point> = points.iter().map(|p| self.at(*p)).collect();
        if !self.backend.spikes || points.len() == 2 {
            return self.area.draw(&PathElement::new(points, style)).map_err(error);
        }
        let reach = style.stroke_width as i32 / 2;
        for piece in points.windows(2) {
            self.area.draw(&PathElement::new(piece, style)).map_err(error)?;
        }
        for (x, y) in &points[1..points.len() - 1] {
            self.area.draw(&Circle::new((*x, *y), reach, color.filled())).map_err(error)?;
        }
        Ok(())
    }

    /// A dashed line, level or upright.
    pub fn dashes(&self, from: Point, to: Point, color: RGBColor, width: u32) -> Result<(), DrawError> {
        let (dx, dy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let length = (to.0 - from.0).abs().max((to.1 - from.1).abs());
        for start in (0..length).step_by(16) {
            let stop = (start + 9).min(length);
            let at = |d: i32| (from.0 + dx * d, from.1 + dy * d);
            self.line(&[at(start), at(stop)], color, width)?;
        }
        Ok(())
    }

    pub fn polygon(&self, points: &[Point], color: RGBColor) -> Result<(), DrawError> {
        let points: Vec<Point> = points.iter().map(|p| self.at(*p)).collect();
        self.area.draw(&Polygon::new(points, color.filled())).map_err(error)
    }

    /// Text whose base line is at `at`.
    pub fn text(&self, text: &str, at: Point, size: i32, color: RGBColor, anchor: Anchor) -> Result<(), DrawError> {
        let style = self.style(size, color, anchor);
        // An SVG has no way to write a control character.
        let text = text.replace(char::is_control, "\u{fffd}");
        let at = self.at(at);
        let rise = self.backend.base * f64::from(size * self.backend.scale);
        let top = (at.0, at.1 - rise.round() as i32);
        self.area.draw(&Text::new(text, top, style)).map_err(error)
    }

    /// The width of a text in px.
    pub fn width(&self, text: &str, size: i32) -> Result<i32, DrawError> {
        let style = self.style(size, RGBColor(0, 0, 0), Anchor::Left);
        let (width, _) = self.area.estimate_text_size(text, &style).map_err(error)?;
        Ok(width as i32 / self.backend.scale)
    }

    /// `text`, cut short with an ellipsis where it is wider than `room`.
    pub fn fitted(&self, text: &str, size: i32, room: i32) -> Result<String, DrawError> {
        if self.width(text, size)? <= room {
            return Ok(text.to_owned());
        }
        let mut kept: String = text.to_owned();
        while kept.pop().is_some() {
            let short = format!("{}…", kept.trim_end());
            if self.width(&short, size)? <= room {
                return Ok(short);
            }
        }
        Ok(String::new())
    }

    fn style(&self, size: i32, color: RGBColor, anchor: Anchor) -> TextStyle<'static> {
        let mut style = TextStyle::from((FONT, size * self.backend.scale)).pos(Pos::new(anchor, VPos::Top));
        style.color = color.to_backend_color();
        style
    }
}

pub fn error(error: impl std::fmt::Display) -> DrawError {
    DrawError(error.to_string())
}
