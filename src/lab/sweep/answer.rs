use serde::Serialize;

use super::strategy::SweepLoop;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, valid_runs};
use crate::lab::stable::prediction::{Predicted, Prediction};
use crate::lab::stable::{ramp_goodput, read_sweep, round};
use crate::lab::statistics::interval::Estimate;
use crate::lab::statistics::sweep::SweepPair;
use crate::verdict::HEALTHY;

/// The answer of `metawrk sweep`.
#[derive(Clone, Debug, PartialEq)]
pub enum SweepAnswer {
    Found(Hysteresis),
    /// The system was not stuck after the plan's fault. The verdict of that run.
    NotStuck {
        verdict: String,
    },
    /// The sweeps have no result: why.
    Impossible {
        why: String,
    },
    /// The campaign ended before the question was answered: why.
    Unanswered {
        why: String,
    },
}

/// A hysteresis loop. Rates are in requests/s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hysteresis {
    pub stable_rate: Estimate,
    /// The rate at which the system came back in each sweep, the gentle one first. Each alone is too low.
    pub return_rates: [f64; 2],
    /// How much faster the steep sweep was.
    pub slope_ratio: f64,
    /// Up to this rate the climbing system stayed healthy.
    pub healthy_up_to: f64,
    /// The system was not healthy at the end of the climb.
    pub tipped: bool,
}

/// A system that climbs is not healthy any more where its goodput is low for this many intervals.
const TIPPED_INTERVALS: usize = 5;

/// Up to which rate of a climb the system stayed healthy, and whether it was not at the end.
pub fn find_healthy_end(climb: &RunOutcome) -> (f64, bool) {
    let bins = ramp_goodput(climb);
    let broken = bins.windows(TIPPED_INTERVALS).position(|bins| bins.iter().all(|bin| bin.goodput < HEALTHY));
    let last = broken.map_or(bins.len().checked_sub(1), |at| at.checked_sub(1));
    (last.map_or(climb.cell().rate, |at| bins[at].rate), broken.is_some())
}

impl SweepAnswer {
    pub fn of(sweep: &SweepLoop, result: &CampaignResult) -> SweepAnswer {
        let runs = valid_runs(&result.runs);
        let unanswered = || SweepAnswer::Unanswered { why: result.end.explain() };
        let prediction = match sweep.predictor.predict(&runs) {
            Predicted::Found(prediction) => prediction,
            Predicted::NotStuck(verdict) => return SweepAnswer::NotStuck { verdict },
            Predicted::Impossible(why) => return SweepAnswer::Impossible { why },
            Predicted::Run(_) => return unanswered(),
        };
        match SweepAnswer::observe(sweep, &runs, prediction) {
            Some(found) if result.end == CampaignEnd::Ended(Ending::Answered) => SweepAnswer::Found(found),
            _ => unanswered(),
        }
    }

    fn observe(sweep: &SweepLoop, runs: &[&RunOutcome], prediction: Prediction) -> Option<Hysteresis> {
        let [gentle, steep] = sweep.predictor.sweeps(runs)?;
        let pair = SweepPair::new(read_sweep(gentle?).ok()?, read_sweep(steep?).ok()?).ok()?;
        let (healthy_up_to, tipped) = find_healthy_end(sweep.predictor.climb(runs)?);
        Some(Hysteresis {
            stable_rate: prediction.stable_rate,
            return_rates: pair.return_rates().into(),
            slope_ratio: pair.slope_ratio(),
            healthy_up_to,
            tipped,
        })
    }

    /// The answer in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            SweepAnswer::Found(_) => "HYSTERESIS",
            SweepAnswer::NotStuck { .. } => "NOT STUCK",
            SweepAnswer::Impossible { .. } => "INCONCLUSIVE",
            SweepAnswer::Unanswered { .. } => "UNANSWERED",
        }
    }

    /// The exit code with `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self {
            SweepAnswer::Found(_) => 0,
            SweepAnswer::Impossible { .. } => 17,
            SweepAnswer::NotStuck { .. } => 18,
            SweepAnswer::Unanswered { .. } => 20,
        }
    }

    /// The answer in a sentence or two. `rate` is the plan's, in requests/s.
    pub fn sentence(&self, rate: f64) -> String {
        match self {
            SweepAnswer::Found(found) => {
                let Hysteresis { stable_rate, return_rates: [gentle, steep], slope_ratio, healthy_up_to, tipped } =
                    *found;
                let up_to = if tipped { "up to" } else { "to the end, at" };
                format!(
                    "stable rate {}, by two sweeps. While the rate climbed, the system stayed healthy {up_to} {}/s. While the \
                     rate fell, the stuck system recovered at {}/s, and at {}/s when the rate fell {slope_ratio:.0} times \
                     as fast. Between the stable rate and {}/s it has two states.",
                    stable_rate.to_text("requests/s"),
                    round(healthy_up_to),
                    round(gentle),
                    round(steep),
                    round(healthy_up_to.min(rate))
                )
            }
            SweepAnswer::NotStuck { verdict } => format!(
                "NOT STUCK at {rate} requests/s: the verdict after the fault was {verdict}. Sweep from a larger rate \
                 (--rate), or after a longer fault (--outage)."
            ),
            SweepAnswer::Impossible { why } => format!("INCONCLUSIVE: {why}."),
            SweepAnswer::Unanswered { why } => format!("UNANSWERED: {why}."),
        }
    }
}
