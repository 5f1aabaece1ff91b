use super::answer::StableAnswer;
use super::strategy::StableSearch;
use crate::lab::campaign::run::CampaignResult;
use crate::lab::campaign::schedule::valid_runs;
use crate::plan::ExperimentPlan;
use crate::report::figures::{SearchFigure, SearchMark, format_count};

/// The figure of a search for the stable rate: the runs with a fault and a constant rate, and the interval. `None` before
/// its first run.
pub fn draw_stable(
    plan: &ExperimentPlan,
    search: &StableSearch,
    answer: &StableAnswer,
    result: &CampaignResult,
) -> Option<SearchFigure> {
    let runs = valid_runs(&result.runs);
    let shown: Vec<_> = runs.iter().filter(|run| run.cell().ramp.is_none()).collect();
    let estimate = answer.found().map(|found| found.prediction.stable_rate);
    let rates = shown.iter().map(|run| run.cell().rate);
    let bounds = estimate.into_iter().flat_map(|estimate| [estimate.interval.low, estimate.interval.high]);
    let (low, high) = rates.chain(bounds).fold((f64::MAX, 0.0f64), |(low, high), rate| (low.min(rate), high.max(rate)));
    // An interval may reach far down.
    let lowest = shown.iter().map(|run| run.cell().rate).fold(f64::MAX, f64::min);
    let count = runs.len();
    (!shown.is_empty()).then(|| SearchFigure {
        title: match estimate {
            Some(estimate) => format!("Stable rate: {}", estimate.to_text("requests/s")),
            None => format!("Stable rate: {}", answer.name().to_lowercase()),
        },
        subtitle: format!("{}, from {} requests/s, {count} runs", plan.name(), search.predictor.cells.rate()),
        axis: "requests/s",
        format: format_count,
        range: (low.max(lowest / 2.0), high),
        // A prediction has an interval and no density.
        density: Vec::new(),
        interval: estimate.map(|estimate| (estimate.interval.low, estimate.value, estimate.interval.high)),
        marks: shown.iter().map(|run| SearchMark { at: run.cell().rate, tipped: run.is_stuck() }).collect(),
        names: ("stuck (METASTABLE)", "not stuck"),
    })
}
