use super::answer::{TwinColumnDetails, TwinMapAnswer};
use crate::report::figures::{MapColumn, MapFigure};
use crate::units::format_three_digits;

/// The figure of a predicted map, in the style of a measured one.
pub fn draw_twin_map(answer: &TwinMapAnswer) -> MapFigure {
    let rates = |wanted: &str| {
        let columns = answer.columns.iter().filter(|column| column.answer == wanted);
        columns.map(|column| column.rate).collect()
    };
    let line = |name: &str, rate: f64| (rate, format!("{name} {}/s", format_three_digits(rate)));
    let stable_rate = answer.stable_rate.and_then(|range| range.value).map(|rate| line("stable rate", rate));
    // A capacity far above the map would leave it a narrow strip.
    let largest = answer.columns.iter().map(|column| column.rate).fold(0.0, f64::max);
    let capacity = Some(answer.capacity).filter(|&rate| rate < 1.5 * largest).map(|rate| line("capacity", rate));
    MapFigure {
        title: "Shortest outage that tips the system, predicted".to_owned(),
        subtitle: format!("{}, simulated with {}", answer.name, answer.describe_seeds()),
        outages: (answer.shortest_s, answer.longest_s),
        curve: to_map_columns(answer),
        interval: "range of the seeds",
        never: rates("never_tipped"),
        always: rates("always_tipped"),
        rates: stable_rate.into_iter().chain(capacity).collect(),
        ..MapFigure::default()
    }
}

/// The columns of a prediction that have a boundary.
pub fn to_map_columns(answer: &TwinMapAnswer) -> Vec<MapColumn> {
    let column = |column: &TwinColumnDetails| {
        let TwinColumnDetails { rate, low, value, high, .. } = *column;
        Some(MapColumn { rate, low: low?, value: value?, high: high? })
    };
    answer.columns.iter().filter_map(column).collect()
}
