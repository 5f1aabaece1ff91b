use std::fmt::Write as _;

use super::escape::escape;
use crate::base64::encode_base64;
use crate::report::figures::{Figure, FigureImages};

/// Embeds a figure as SVG, which is sharp at any size. A scatter plot is embedded as PNG, which is smaller. The class
/// `charted` marks a figure that the script draws too.
pub(super) fn write_figure(page: &mut String, images: &FigureImages) {
    let alt = escape(&images.figure.alt_text());
    let _ = match images.figure {
        Figure::Latencies(_) => {
            let png = encode_base64(&images.png);
            write!(page, "<figure><img src=\"data:image/png;base64,{png}\" alt=\"{alt}\"></figure>\n\n")
        }
        Figure::Timeline | Figure::Memory => {
            write!(page, "<figure class=\"charted\" role=\"img\" aria-label=\"{alt}\">{}</figure>\n\n", images.svg)
        }
        Figure::LatencyHistogram(_) => {
            write!(page, "<figure role=\"img\" aria-label=\"{alt}\">{}</figure>\n\n", images.svg)
        }
    };
}
