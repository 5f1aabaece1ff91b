//! The drawing primitives of all figures, for every plotters backend.

use plotters::backend::DrawingBackend;
use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
/// The horizontal alignment of a text.
pub use plotters::style::text_anchor::HPos as Anchor;
use plotters::style::text_anchor::{Pos, VPos};
use plotters::style::{Color, FontStyle, RGBColor, ShapeStyle, TextStyle, register_font};

/// The drawing library failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the drawing library failed: {0}")]
pub struct DrawError(pub String);

/// The font, and the fallbacks of SVG viewers that lack it. plotters writes the list into the SVG unchanged.
pub const FONT: &str = "DejaVu Sans, Verdana, Helvetica, sans-serif";

/// Text sizes in px. Text stays readable when a figure is shown at half its size.
pub const TITLE: i32 = 36;
pub const LABEL: i32 = 28;

/// A drawing area. Coordinates and sizes are px of the figure; the backend may use several px for each of them.
pub struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    backend: BackendStyle,
}

/// The differences between plotters' backends.
#[derive(Clone, Copy, Debug)]
pub struct BackendStyle {
    /// Backend px per figure px.
    pub scale: i32,
    /// The distance from the top of a text to its base line, as a share of the text size.
    pub base: f64,
    /// The backend draws spikes at sharp corners of thick lines. Such lines are drawn segment by segment, with a dot on
    /// each corner.
    pub spikes: bool,
}

/// Bitmaps are drawn at twice their size and averaged down, because plotters does not smooth lines.
pub const BITMAP: BackendStyle = BackendStyle { scale: 2, base: 0.5, spikes: true };
pub const SVG: BackendStyle = BackendStyle { scale: 1, base: 0.76 / 1.24, spikes: false };

/// Registers [`FONT`] with plotters. It may be called repeatedly.
pub fn register_embedded_font() -> Result<(), DrawError> {
    register_font(FONT, FontStyle::Normal, include_bytes!("../fonts/DejaVuSans.ttf"))
        .map_err(|_| DrawError("the embedded font is damaged".into()))
}

type Point = (i32, i32);

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    pub fn new(area: &'a DrawingArea<DB, Shift>, backend: BackendStyle) -> Self {
        Canvas { area, backend }
    }

    fn to_backend(&self, (x, y): Point) -> Point {
        (x * self.backend.scale, y * self.backend.scale)
    }

    /// A filled rectangle without its right and bottom edge. The corners may come in any order.
    pub fn fill_rect(&self, a: Point, b: Point, color: RGBColor) -> Result<(), DrawError> {
        let corners = [(a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))].map(|p| self.to_backend(p));
        self.area.draw(&Rectangle::new(corners, color.filled())).map_err(to_draw_error)
    }

    pub fn draw_line(&self, points: &[Point], color: RGBColor, width: u32) -> Result<(), DrawError> {
        if points.len() < 2 {
            return Ok(());
        }
        let style =
            ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: width * self.backend.scale as u32 };
        let points: Vec<Point> = points.iter().map(|p| self.to_backend(*p)).collect();
        if !self.backend.spikes || points.len() == 2 {
            return self.area.draw(&PathElement::new(points, style)).map_err(to_draw_error);
        }
        let reach = style.stroke_width as i32 / 2;
        for segment in points.windows(2) {
            self.area.draw(&PathElement::new(segment, style)).map_err(to_draw_error)?;
        }
        for (x, y) in &points[1..points.len() - 1] {
            self.area.draw(&Circle::new((*x, *y), reach, color.filled())).map_err(to_draw_error)?;
        }
        Ok(())
    }

    /// A dashed line, horizontal or vertical.
    pub fn draw_dashes(&self, from: Point, to: Point, color: RGBColor, width: u32) -> Result<(), DrawError> {
        let (dx, dy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let length = (to.0 - from.0).abs().max((to.1 - from.1).abs());
        for start in (0..length).step_by(16) {
            let stop = (start + 9).min(length);
            let at = |d: i32| (from.0 + dx * d, from.1 + dy * d);
            self.draw_line(&[at(start), at(stop)], color, width)?;
        }
        Ok(())
    }

    pub fn fill_polygon(&self, points: &[Point], color: RGBColor) -> Result<(), DrawError> {
        let points: Vec<Point> = points.iter().map(|p| self.to_backend(*p)).collect();
        self.area.draw(&Polygon::new(points, color.filled())).map_err(to_draw_error)
    }

    pub fn fill_circle(&self, centre: Point, radius: i32, color: RGBColor) -> Result<(), DrawError> {
        let circle = Circle::new(self.to_backend(centre), radius * self.backend.scale, color.filled());
        self.area.draw(&circle).map_err(to_draw_error)
    }

    /// Text with its base line at `at`.
    pub fn draw_text(
        &self,
        text: &str,
        at: Point,
        size: i32,
        color: RGBColor,
        anchor: Anchor,
    ) -> Result<(), DrawError> {
        let style = self.style(size, color, anchor);
        // An SVG cannot contain control characters.
        let text = text.replace(char::is_control, "\u{fffd}");
        let at = self.to_backend(at);
        let rise = self.backend.base * f64::from(size * self.backend.scale);
        let top = (at.0, at.1 - rise.round() as i32);
        self.area.draw(&Text::new(text, top, style)).map_err(to_draw_error)
    }

    fn style(&self, size: i32, color: RGBColor, anchor: Anchor) -> TextStyle<'static> {
        let mut style = TextStyle::from((FONT, size * self.backend.scale)).pos(Pos::new(anchor, VPos::Top));
        style.color = color.to_backend_color();
        style
    }
}

pub fn to_draw_error(error: impl std::fmt::Display) -> DrawError {
    DrawError(error.to_string())
}
