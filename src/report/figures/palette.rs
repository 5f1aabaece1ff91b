//! Colours that colour-blind readers can distinguish (after Okabe and Ito), and that differ in brightness when printed in
//! grey.

use plotters::style::RGBColor;

pub const BACKGROUND: RGBColor = RGBColor(255, 255, 255);
pub const TEXT: RGBColor = RGBColor(34, 34, 34);
pub const MUTED: RGBColor = RGBColor(95, 95, 95);
pub const AXIS: RGBColor = RGBColor(90, 90, 90);
pub const GRID: RGBColor = RGBColor(221, 221, 221);

pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREEN: RGBColor = RGBColor(0, 140, 105);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const VERMILION: RGBColor = RGBColor(200, 80, 0);
pub const PURPLE: RGBColor = RGBColor(150, 50, 120);
pub const BLACK: RGBColor = RGBColor(20, 20, 20);

/// Of successful requests, from the fewest in a cell to the most.
pub const DENSITY: [RGBColor; 5] = [
    RGBColor(140, 203, 240),
    RGBColor(70, 165, 222),
    RGBColor(10, 120, 185),
    RGBColor(0, 78, 130),
    RGBColor(0, 38, 72),
];
/// The same for answers with a bad status.
pub const BAD_STATUS_DENSITY: [RGBColor; 5] =
    [RGBColor(247, 200, 95), ORANGE, RGBColor(190, 118, 0), RGBColor(140, 80, 0), RGBColor(90, 46, 0)];

/// The name of a colour in the style sheet of `report.html`, which has another shade of it for dark screens.
pub fn color_name(color: RGBColor) -> &'static str {
    const NAMES: [(RGBColor, &str); 8] = [
        (BLUE, "blue"),
        (SKY, "sky"),
        (GREEN, "green"),
        (ORANGE, "orange"),
        (VERMILION, "vermilion"),
        (PURPLE, "purple"),
        (BLACK, "black"),
        (MUTED, "muted"),
    ];
    NAMES.iter().find(|(known, _)| *known == color).map_or("black", |(_, name)| name)
}

/// Backgrounds of a fault, a system that is stuck, the baseline and the warm-up.
pub const FAULT_BACKGROUND: RGBColor = RGBColor(252, 227, 205);
pub const STUCK_BACKGROUND: RGBColor = RGBColor(243, 222, 229);
pub const BASELINE_BACKGROUND: RGBColor = RGBColor(228, 241, 236);
pub const WARMUP_BACKGROUND: RGBColor = RGBColor(238, 238, 238);

/// Colours of lines without a fixed colour.
pub const LINES: [RGBColor; 6] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, BLACK];
