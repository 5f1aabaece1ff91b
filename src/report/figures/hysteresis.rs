//! `sweep`: good responses over offered load, while the rate climbs and while it falls from stuck.

use plotters::backend::DrawingBackend;

use super::axis::{Axis, format_count};
use super::canvas::{Anchor, Canvas, DrawError, LABEL, TITLE};
use super::drawing::Drawing;
use super::layout::{GUTTER, MARGIN, ROW, WIDTH};
use super::legend::{Legend, LegendSymbol};
use super::measure::{fit_text, text_width};
use super::palette::{BLUE, MUTED, ORANGE, STUCK_BACKGROUND, TEXT, VERMILION};
use super::plot_area::PlotArea;

/// What the figure shows. Points are offered load and good responses, both per second.
#[derive(Clone, Debug, PartialEq)]
pub struct HysteresisFigure {
    pub title: String,
    pub subtitle: String,
    /// The end of both axes.
    pub most: f64,
    /// The rate climbs, from healthy.
    pub up: Vec<(f64, f64)>,
    /// The rate falls, from stuck.
    pub gentle: Vec<(f64, f64)>,
    /// The rate falls faster.
    pub steep: Vec<(f64, f64)>,
    pub stable_rate: Option<FigureEstimate>,
}

/// An estimate on an axis, with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureEstimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub label: String,
}

const LEGEND: i32 = 124;
const TOP: i32 = 190;
const PLOT: i32 = 520;
const FOOT: i32 = 92;

impl HysteresisFigure {
    fn legend(&self) -> Result<Legend, DrawError> {
        let entries = vec![
            (LegendSymbol::Line, BLUE, "rate climbs, from healthy".to_owned()),
            (LegendSymbol::Line, VERMILION, "rate falls slowly, from stuck".to_owned()),
            (LegendSymbol::Line, ORANGE, "rate falls fast, from stuck".to_owned()),
        ];
        Legend::arrange(entries, MARGIN, MARGIN)
    }

    fn top(&self) -> Result<i32, DrawError> {
        Ok(TOP + self.legend()?.extra_height())
    }
}

impl Drawing for HysteresisFigure {
    fn size(&self) -> Result<(u32, u32), DrawError> {
        Ok((WIDTH as u32, (self.top()? + PLOT + FOOT) as u32))
    }

    fn draw<DB: DrawingBackend>(&self, c: &Canvas<DB>) -> Result<(), DrawError> {
        let width = WIDTH - 2 * MARGIN;
        c.draw_text(&fit_text(&self.title, TITLE, width)?, (MARGIN, 44), TITLE, TEXT, Anchor::Left)?;
        c.draw_text(&fit_text(&self.subtitle, LABEL, width)?, (MARGIN, 82), LABEL, MUTED, Anchor::Left)?;
        self.legend()?.draw(c, LEGEND)?;
        let top = self.top()?;
        c.draw_text("good responses per second", (MARGIN, top - 18), LABEL, TEXT, Anchor::Left)?;
        let axis = Axis::linear(0.0, self.most);
        let plot = PlotArea { left: GUTTER, right: WIDTH - MARGIN, top, bottom: top + PLOT, x: axis, y: axis };
        if let Some(FigureEstimate { low, high, .. }) = &self.stable_rate {
            let (from, to) = (plot.x_px(*low), plot.x_px(*high));
            c.fill_rect((from, plot.top), (to, plot.bottom), STUCK_BACKGROUND)?;
        }
        plot.draw_x_axis(c, format_count, Some("offered load (requests/s)"))?;
        plot.draw_y_axis(c, 6, format_count)?;
        if let Some(FigureEstimate { value, label, .. }) = &self.stable_rate {
            let x = plot.x_px(*value);
            c.draw_dashes((x, plot.top), (x, plot.bottom), TEXT, 3)?;
            let beside = x + 14;
            // On the side where there is room.
            match beside + text_width(label, LABEL)? <= plot.right {
                true => c.draw_text(label, (beside, top + ROW), LABEL, TEXT, Anchor::Left)?,
                false => c.draw_text(label, (x - 14, top + ROW), LABEL, TEXT, Anchor::Right)?,
            }
        }
        for (curve, color) in [(&self.steep, ORANGE), (&self.gentle, VERMILION), (&self.up, BLUE)] {
            plot.draw_series(c, curve.iter().map(|&(x, y)| (x, Some(y))), color, 4)?;
        }
        plot.draw_frame(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_names_its_curves_and_the_stable_rate() {
        let figure = HysteresisFigure {
            title: "Hysteresis".to_owned(),
            subtitle: "made up".to_owned(),
            most: 375.0,
            up: (10..37).map(|i| (f64::from(i) * 10.0, f64::from(i) * 10.0)).collect(),
            gentle: vec![(150.0, 8.0), (100.0, 7.0), (86.0, 80.0), (60.0, 60.0)],
            steep: vec![(150.0, 8.0), (60.0, 7.0), (50.0, 48.0)],
            stable_rate: Some(FigureEstimate {
                value: 120.0,
                low: 112.0,
                high: 128.0,
                label: "stable rate 120 (112..128, 90 %)".to_owned(),
            }),
        };
        let svg = figure.render_svg().unwrap();
        for text in ["Hysteresis", "rate climbs, from healthy", "stable rate 120 (112..128, 90 %)"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(figure.render_png().unwrap() == figure.render_png().unwrap());
        let nothing =
            HysteresisFigure { most: f64::NAN, up: vec![], gentle: vec![], steep: vec![], stable_rate: None, ..figure };
        assert!(!nothing.render_png().unwrap().is_empty());
    }
}
