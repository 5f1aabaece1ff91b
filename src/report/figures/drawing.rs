//! A drawing in both formats.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;

use super::canvas::{self, BITMAP, BackendStyle, Canvas, DrawError, SVG, to_draw_error};
use super::palette::BACKGROUND;

/// A figure that can be drawn. The same figure gives the same bytes.
pub trait Drawing {
    /// Width and height in px.
    ///
    /// # Errors
    /// [`DrawError`] if the drawing library fails. No data causes this.
    fn size(&self) -> Result<(u32, u32), DrawError>;

    /// # Errors
    /// As [`Drawing::size`].
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError>;

    /// # Errors
    /// As [`Drawing::size`].
    fn render_png(&self) -> Result<Vec<u8>, DrawError> {
        let (width, height) = self.size()?;
        let large = (width * BITMAP.scale as u32, height * BITMAP.scale as u32);
        let mut pixels = vec![255; large.0 as usize * large.1 as usize * 3];
        draw_on(self, BitMapBackend::with_buffer(&mut pixels, large), BITMAP)?;
        let pixels = halve(&pixels, large.0 as usize);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_filter(png::FilterType::NoFilter);
        encoder.set_compression(png::Compression::Default);
        encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).map_err(to_draw_error)?;
        Ok(file)
    }

    /// # Errors
    /// As [`Drawing::size`].
    fn render_svg(&self) -> Result<String, DrawError> {
        let mut file = String::new();
        draw_on(self, SVGBackend::with_string(&mut file, self.size()?), SVG)?;
        Ok(file)
    }
}

fn draw_on<D: Drawing + ?Sized, DB: DrawingBackend>(
    drawing: &D,
    backend: DB,
    style: BackendStyle,
) -> Result<(), DrawError> {
    canvas::register_embedded_font()?;
    let area = backend.into_drawing_area();
    area.fill(&BACKGROUND).map_err(to_draw_error)?;
    drawing.draw(&Canvas::new(&area, style))?;
    area.present().map_err(to_draw_error)
}

/// Scales an RGB image of `width` px to half its size. Each px is the mean of four.
fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    let row = width * 3;
    let mut half = Vec::with_capacity(pixels.len() / 4);
    for two in pixels.chunks_exact(row * 2) {
        let (upper, lower) = two.split_at(row);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            // Without a loop, because this runs for every px of every figure.
            let mean = |i: usize| {
                ((u16::from(a[i]) + u16::from(a[i + 3]) + u16::from(b[i]) + u16::from(b[i + 3]) + 2) / 4) as u8
            };
            half.extend_from_slice(&[mean(0), mean(1), mean(2)]);
        }
    }
    half
}
