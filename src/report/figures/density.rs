//! The colours of cells that show many requests each.

use plotters::style::RGBColor;

use super::axis::format_count;
use super::canvas::DrawError;
use super::layout::MARGIN;
use super::legend::{Legend, LegendEntry, LegendSymbol};

/// The number of colours, from few requests in a cell to the most.
pub const CLASSES: usize = 5;

/// Which numbers of requests have the same colour. The scale ends at the fullest cell, so that a figure of a million requests
/// still shows where most of them are.
#[derive(Clone, Debug, PartialEq)]
pub struct DensityScale {
    /// The least number of each class, ascending.
    least: Vec<f64>,
}

impl DensityScale {
    /// The scale for cells of up to `most` requests.
    pub fn new(most: f64) -> DensityScale {
        let greatest = most.max(1.0);
        let mut least = vec![1.0];
        for class in 1..CLASSES {
            let limit = round_to_1_2_5(greatest.powf(class as f64 / CLASSES as f64));
            if least.last().is_some_and(|last| limit > *last) {
                least.push(limit);
            }
        }
        DensityScale { least }
    }

    /// The class of a cell of so many requests.
    pub fn class(&self, requests: f64) -> usize {
        self.least.iter().rposition(|least| requests >= *least).unwrap_or(0)
    }

    /// The colour of a class. The highest one always has the darkest.
    pub fn color(&self, class: usize, colors: [RGBColor; CLASSES]) -> RGBColor {
        match self.least.len() - 1 {
            0 => colors[1],
            last => colors[class * (CLASSES - 1) / last],
        }
    }

    /// What the colours mean: a row of a legend.
    pub fn legend(&self, colors: [RGBColor; CLASSES], is_estimated: bool) -> Result<Legend, DrawError> {
        let name = |class: usize| match (self.least[class], self.least.get(class + 1)) {
            (least, None) if class == 0 => format_count(least),
            (least, None) => format!("{} and more", format_count(least)),
            (least, Some(next)) if *next == least + 1.0 => format_count(least),
            (least, Some(next)) => format!("{} to {}", format_count(least), format_count(next - 1.0)),
        };
        let title = if is_estimated { "requests in a cell, estimated:" } else { "requests in a cell:" };
        let entry = |class| -> LegendEntry { (LegendSymbol::Box, self.color(class, colors), name(class)) };
        let entries = [(LegendSymbol::None, colors[0], title.to_owned())];
        Legend::arrange(entries.into_iter().chain((0..self.least.len()).map(entry)).collect(), MARGIN, MARGIN)
    }
}

/// The nearest of 1, 2, 5, 10, 20, 50 and so on, by ratio.
fn round_to_1_2_5(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let nearest = |a: f64, b: f64| if (value / a).ln().abs() <= (value / b).ln().abs() { a } else { b };
    [2.0, 5.0, 10.0].into_iter().fold(power, |best, step| nearest(best, step * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_the_fullest_cell() {
        let least = |most| DensityScale::new(most).least;
        assert_eq!(least(0.0), [1.0]);
        assert_eq!(least(4.0), [1.0, 2.0]);
        assert_eq!(least(40.0), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(least(30_000.0), [1.0, 10.0, 50.0, 500.0, 5000.0]);
        let scale = DensityScale::new(30_000.0);
        let classes = [1.0, 10.0, 49.0, 50.0, 490.0, 500.0, 30_000.0].map(|requests| scale.class(requests));
        assert_eq!(classes, [0, 1, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(
            [1.0, 1.4, 1.5, 3.0, 3.2, 8.0, 14.0, 160.0].map(round_to_1_2_5),
            [1.0, 1.0, 2.0, 2.0, 5.0, 10.0, 10.0, 200.0]
        );
    }
}
