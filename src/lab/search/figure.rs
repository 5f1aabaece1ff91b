use super::answer::BoundaryAnswer;
use super::strategy::{Search, Searched};
use crate::lab::statistics::bisection::Bisection;
use crate::report::figures::{SearchFigure, SearchMark, format_count, format_time};

/// The figure of a search. `None` before its first run.
pub fn draw_search(
    answer: &BoundaryAnswer,
    experiment: &str,
    search: &Search,
    bisection: &Bisection,
) -> Option<SearchFigure> {
    if bisection.runs().is_empty() {
        return None;
    }
    let rate = search.rate();
    let estimate = answer.estimate();
    let (subject, unit) = match search.searched() {
        Searched::Outage => (format!("Shortest outage that tips, at {rate} requests/s"), "s"),
        Searched::Rate => ("Largest rate without a fault".to_owned(), "requests/s"),
    };
    let plan = bisection.plan();
    Some(SearchFigure {
        title: match estimate {
            Some(estimate) => format!("{subject}: {}", estimate.to_text(unit)),
            None => format!("{subject}: {}", answer.name().to_lowercase()),
        },
        subtitle: format!("{experiment}, {} runs", bisection.runs().len()),
        axis: match search.searched() {
            Searched::Outage => "outage",
            Searched::Rate => "requests/s",
        },
        format: match search.searched() {
            Searched::Outage => |seconds| format_time(seconds * 1e9),
            Searched::Rate => format_count,
        },
        range: (plan.low, plan.high),
        density: if estimate.is_some() { bisection.density().collect() } else { Vec::new() },
        interval: estimate.map(|estimate| (estimate.interval.low, estimate.value, estimate.interval.high)),
        marks: bisection.runs().iter().map(|run| SearchMark { at: run.at, tipped: run.tipped }).collect(),
        names: match search.searched() {
            Searched::Outage => ("stuck (METASTABLE)", "not stuck"),
            Searched::Rate => ("not healthy", "healthy"),
        },
    })
}
