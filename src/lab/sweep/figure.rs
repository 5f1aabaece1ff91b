use super::strategy::SweepLoop;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::run::CampaignResult;
use crate::lab::campaign::schedule::valid_runs;
use crate::lab::stable::ramp_goodput;
use crate::lab::statistics::interval::Estimate;
use crate::plan::ExperimentPlan;
use crate::report::figures::{FigureEstimate, HysteresisFigure};

/// How far above the plan's rate the figure reaches.
const BEYOND: f64 = 1.25;
/// Intervals of a curve are averaged over this part of the axis, so that single requests do not make it jump.
const SMOOTHING: f64 = 0.02;

/// The figure of a hysteresis loop. `None` before a sweep was made.
pub fn draw_loop(
    plan: &ExperimentPlan,
    sweep: &SweepLoop,
    result: &CampaignResult,
    stable_rate: Option<Estimate>,
) -> Option<HysteresisFigure> {
    let runs = valid_runs(&result.runs);
    let [gentle, steep] = sweep.predictor.sweeps(&runs)?;
    gentle?;
    let most = BEYOND * plan.load().rate;
    let curve = |run: Option<&RunOutcome>| run.map(|run| average(run, most)).unwrap_or_default();
    Some(HysteresisFigure {
        title: "Hysteresis".to_owned(),
        subtitle: format!("{}, seed {}", plan.name(), plan.load().seed),
        most,
        up: curve(sweep.predictor.climb(&runs)),
        gentle: curve(gentle),
        steep: curve(steep),
        stable_rate: stable_rate.map(|estimate| FigureEstimate {
            value: estimate.value,
            low: estimate.interval.low,
            high: estimate.interval.high,
            label: format!("stable rate {}", estimate.to_text("requests/s")),
        }),
    })
}

/// The good answers per second over the rate, up to the rate `most`.
fn average(run: &RunOutcome, most: f64) -> Vec<(f64, f64)> {
    let bins = ramp_goodput(run);
    let mut curve: Vec<(f64, f64)> = Vec::new();
    let mut group: Vec<(f64, f64)> = Vec::new();
    let mean = |group: &[(f64, f64)]| {
        let count = group.len() as f64;
        (group.iter().map(|p| p.0).sum::<f64>() / count, group.iter().map(|p| p.1).sum::<f64>() / count)
    };
    for bin in bins.iter().filter(|bin| bin.rate <= most) {
        if group.first().is_some_and(|first| (first.0 - bin.rate).abs() > SMOOTHING * most) {
            curve.push(mean(&group));
            group.clear();
        }
        group.push((bin.rate, bin.rate * bin.goodput.min(1.0)));
    }
    if !group.is_empty() {
        curve.push(mean(&group));
    }
    curve
}
