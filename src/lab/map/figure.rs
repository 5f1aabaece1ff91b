use super::answer::MapAnswer;
use super::columns::Column;
use crate::lab::statistics::bisection::{BisectionPlan, SearchAnswer};
use crate::lab::statistics::closed_form::RetryStorm;
use crate::lab::twin_map::{TwinMapAnswer, to_map_columns};
use crate::report::figures::{MapColumn, MapDot, MapFigure};
use crate::units::format_three_digits;

/// Points of the closed form.
const POINTS: i32 = 120;

/// The figure of a map. `None` before its first run with a fault.
pub fn draw_map(
    answer: &MapAnswer,
    experiment: &str,
    storm: Option<RetryStorm>,
    twin: Option<&TwinMapAnswer>,
) -> Option<MapFigure> {
    if answer.points.is_empty() {
        return None;
    }
    let BisectionPlan { low, high, .. } = answer.search;
    let rates = |wanted: SearchAnswer| {
        let columns = answer.columns.iter().filter(move |column| column.answer() == Some(wanted));
        columns.map(|column| column.rate).collect()
    };
    let stable_rate = answer.stable_rate.map(|prediction| prediction.stable_rate.value);
    let stable_rate = stable_rate.or(storm.map(|storm| storm.stable_rate()));
    let capacity = answer.capacity.map(|capacity| capacity.value);
    let line = |name: &str, rate: f64| (rate, format!("{name} {}/s", format_three_digits(rate)));
    let lines = [stable_rate.map(|rate| line("stable rate", rate)), capacity.map(|rate| line("capacity", rate))];
    Some(MapFigure {
        title: "Shortest outage that tips the system".to_owned(),
        subtitle: format!("{experiment}, {} runs", answer.points.len()),
        outages: (low, high),
        curve: answer
            .curve
            .iter()
            .map(|point| MapColumn {
                rate: point.rate,
                low: point.outage.interval.low,
                value: point.outage.value,
                high: point.outage.interval.high,
            })
            .collect(),
        interval: "90 % interval",
        never: rates(SearchAnswer::NeverTipped),
        always: rates(SearchAnswer::AlwaysTipped),
        dots: answer
            .points
            .iter()
            .map(|run| MapDot { rate: run.rate, outage: run.outage.as_secs_f64(), tipped: run.tipped })
            .collect(),
        rates: lines.into_iter().flatten().collect(),
        closed_form: storm.map(|storm| draw_closed_form(storm, &answer.columns)).unwrap_or_default(),
        twin: twin.map(to_map_columns).unwrap_or_default(),
    })
}

/// The curve of the closed form between the outermost columns.
fn draw_closed_form(storm: RetryStorm, columns: &[Column]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (columns.first(), columns.last()) else { return Vec::new() };
    let rate = |i| first.rate + (last.rate - first.rate) * f64::from(i) / f64::from(POINTS);
    (0..=POINTS).filter_map(|i| Some((rate(i), storm.tipping_outage(rate(i))?.as_secs_f64()))).collect()
}
