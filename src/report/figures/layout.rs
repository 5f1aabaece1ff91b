//! The layout that all figures share, in px.

/// The width of a figure. Text stays readable at half of it.
pub const WIDTH: i32 = 1280;
/// The height of a figure with one plot.
pub const HEIGHT: i32 = 720;
pub const MARGIN: i32 = 28;
/// The space left of a plot for the labels of the y axis.
pub const GUTTER: i32 = 128;
/// The height of a row of labels in px.
pub const ROW: i32 = 34;
