//! Axes: positions of values, ticks, and the text of their labels.

use crate::units::format_three_digits;

/// One axis of a plot: the values from `from` to `to`, linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    pub from: f64,
    pub to: f64,
    pub log: bool,
}

impl Axis {
    pub fn linear(from: f64, to: f64) -> Axis {
        Axis { from, to: if to > from { to } else { from + 1.0 }, log: false }
    }

    /// A logarithmic axis of at least one decade. Values that are not positive are drawn at its lower end.
    pub fn log(from: f64, to: f64) -> Axis {
        let from = if from > 0.0 && from.is_finite() { from } else { 1.0 };
        Axis { from, to: if to.is_finite() { to.max(from * 10.0) } else { from * 10.0 }, log: true }
    }

    /// A logarithmic axis of any length, for a part of a range. `from` is above 0.
    pub fn log_part(from: f64, to: f64) -> Axis {
        Axis { from, to: to.max(from * 1.01), log: true }
    }

    /// The position of `value`: 0 at `from`, 1 at `to`, clamped.
    pub fn position(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Round values for labels, about `most` or fewer.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        if self.log { self.log_ticks(most) } else { self.linear_ticks(most) }
    }

    fn linear_ticks(&self, most: usize) -> Vec<f64> {
        let step = next_round_step((self.to - self.from) / most.max(1) as f64);
        let first = (self.from / step - 1e-9).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|v| *v <= self.to + step * 1e-9).take(most * 4 + 4).collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let first = (self.from.log10() - 1e-9).ceil() as i32;
        let last = (self.to.log10() + 1e-9).floor() as i32;
        let stride = ((last - first + 1).max(1) as usize).div_ceil(most.max(1));
        let decades: Vec<f64> = (first..=last).step_by(stride).map(|e| 10f64.powi(e)).collect();
        if decades.len() >= 3 {
            return decades;
        }
        let within = |v: &f64| *v >= self.from * 0.999 && *v <= self.to * 1.001;
        let ticks: Vec<f64> =
            (first - 1..=last).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e))).filter(within).collect();
        // Less than a decade is almost linear.
        if ticks.len() >= 3 { ticks } else { self.linear_ticks(most) }
    }
}

/// The smallest of 1, 2, 5, 10, 20, ... that is not below `value`.
fn next_round_step(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|v| *v >= value * 0.999_999).unwrap_or(decade * 10.0)
}

/// A span in ns as text: `10 ms`, `1.5 s`.
pub fn format_time(ns: f64) -> String {
    let (scale, unit) = match ns {
        n if n >= 0.9995e9 => (1e9, "s"),
        n if n >= 0.9995e6 => (1e6, "ms"),
        n if n >= 0.9995e3 => (1e3, "µs"),
        _ => (1.0, "ns"),
    };
    format!("{} {unit}", format_three_digits(ns / scale))
}

/// A count as text: `500`, `2,500`, `20k`, `1.5M`.
pub fn format_count(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{}G", format_three_digits(n / 1e9)),
        n if n >= 1e6 => format!("{}M", format_three_digits(n / 1e6)),
        n if n >= 1e4 => format!("{}k", format_three_digits(n / 1e3)),
        n if n >= 1e3 => format!("{},{:03}", (n / 1e3) as u64, n as u64 % 1000),
        n => format_three_digits(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_units_and_few_digits() {
        let times = [1e3, 1e7, 1e9, 1.5e9, 9.99e8, 2.5e4, 1e11].map(format_time);
        assert_eq!(times, ["1 µs", "10 ms", "1 s", "1.5 s", "999 ms", "25 µs", "100 s"]);
        let counts = [0.0, 0.5, 500.0, 2500.0, 20_000.0, 1.5e6].map(format_count);
        assert_eq!(counts, ["0", "0.5", "500", "2,500", "20k", "1.5M"]);
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Axis::linear(0.0, 65.0).ticks(8), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(Axis::linear(0.0, 1.0).ticks(5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(Axis::log(1e6, 2e10).ticks(6), [1e6, 1e7, 1e8, 1e9, 1e10]);
        assert_eq!(Axis::log(3.0, 40.0).ticks(6), [5.0, 10.0, 20.0]);
        assert!(Axis::log(1.0, 1e18).ticks(6).len() <= 6);
        assert_eq!(Axis::log_part(28.0, 50.0).ticks(4), [30.0, 40.0, 50.0]);
    }

    #[test]
    fn an_axis_without_values_has_a_length() {
        for axis in [Axis::linear(0.0, 0.0), Axis::log(0.0, 0.0), Axis::log(f64::NAN, f64::INFINITY)] {
            assert!(axis.to > axis.from && axis.to.is_finite(), "{axis:?}");
            assert!((0.0..=1.0).contains(&axis.position(f64::NAN)));
            assert!((0.0..=1.0).contains(&axis.position(-1.0)));
        }
    }
}
