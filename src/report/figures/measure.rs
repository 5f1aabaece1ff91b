//! The widths of texts, which do not depend on the backend: a layout is made before anything is drawn.

use plotters::style::TextStyle;

use super::canvas::{DrawError, FONT, register_embedded_font, to_draw_error};

/// The width of a text in px.
pub fn text_width(text: &str, size: i32) -> Result<i32, DrawError> {
    register_embedded_font()?;
    let ((left, _), (right, _)) = TextStyle::from((FONT, size)).font.layout_box(text).map_err(to_draw_error)?;
    Ok(right - left)
}

/// `text`, shortened with an ellipsis if it is wider than `max_width` px.
pub fn fit_text(text: &str, size: i32, max_width: i32) -> Result<String, DrawError> {
    if text_width(text, size)? <= max_width {
        return Ok(text.to_owned());
    }
    let mut prefix: String = text.to_owned();
    while prefix.pop().is_some() {
        let short = format!("{}…", prefix.trim_end());
        if text_width(&short, size)? <= max_width {
            return Ok(short);
        }
    }
    Ok(String::new())
}
