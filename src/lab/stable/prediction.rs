//! A prediction of the stable rate from runs at other rates.

use serde::{Deserialize, Serialize};

use super::cells::{StableCells, round};
use super::observe::{attempts_bins, ramp_successes, read_sweep, stuck_bins};
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::Request;
use crate::lab::statistics::capacity::{Ramp, best_throughput, capacity_over_amplification};
use crate::lab::statistics::interval::{Confidence, Estimate};
use crate::lab::statistics::stuck_throughput::stuck_throughput;
use crate::lab::statistics::sweep::SweepPair;
use crate::plan::ExperimentPlan;

/// The confidence of intervals in the laboratory.
pub const CONFIDENCE: Confidence = Confidence::P90;

/// How a stable rate is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The throughput of the stuck system while it has a backlog: one run
    StuckThroughput,
    /// The highest throughput while the rate climbs, divided by the attempts per request while stuck: two runs
    Capacity,
    /// The rate falls until the stuck system recovers, slowly and then fast: three or four runs
    Sweeps,
}

impl Method {
    /// The method in a sentence, after `by`.
    pub const fn describe(self) -> &'static str {
        match self {
            Method::StuckThroughput => "the throughput while stuck",
            Method::Capacity => "capacity over amplification",
            Method::Sweeps => "two sweeps",
        }
    }
}

/// A predicted stable rate, in requests/s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    pub method: Method,
    pub stable_rate: Estimate,
}

/// What is known of the stable rate after some runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// This run is needed next.
    Run(Request),
    Found(Prediction),
    /// After the plan's fault the system was not stuck, so there is nothing to predict from. The verdict.
    NotStuck(String),
    /// The method, or every method, has no result: why.
    Impossible(String),
}

/// Predicts the stable rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predictor {
    pub cells: StableCells,
    /// `None`: the first that applies.
    pub method: Option<Method>,
    /// The plan's clients abandon attempts after a time.
    pub abandons: bool,
}

impl Predictor {
    /// The predictor of a plan, by the first method that applies.
    ///
    /// # Errors
    /// As [`StableCells::new`].
    pub fn new(plan: &ExperimentPlan) -> Result<Predictor, crate::plan::InvalidSetting> {
        let abandons = plan.load().abandons_after().is_some();
        Ok(Predictor { cells: StableCells::new(plan)?, method: None, abandons })
    }

    /// What these runs say.
    pub fn predict(&self, runs: &[&RunOutcome]) -> Predicted {
        let Some(stuck) = find(runs, &self.cells.stuck().cell) else { return Predicted::Run(self.cells.stuck()) };
        if !stuck.is_stuck() {
            return Predicted::NotStuck(stuck.verdict.name.clone());
        }
        let methods = match &self.method {
            Some(method) => std::slice::from_ref(method),
            None => &[Method::StuckThroughput, Method::Capacity, Method::Sweeps][..],
        };
        let mut reasons = Vec::new();
        for method in methods {
            match self.check(self.predict_by(*method, stuck, runs)) {
                Predicted::Impossible(why) => reasons.push(format!("by {}: {why}", method.describe())),
                predicted => return predicted,
            }
        }
        Predicted::Impossible(reasons.join("; "))
    }

    fn predict_by(&self, method: Method, stuck: &RunOutcome, runs: &[&RunOutcome]) -> Predicted {
        match method {
            Method::StuckThroughput => {
                self.by_stuck_throughput(stuck).map_or_else(Predicted::Impossible, Predicted::Found)
            }
            Method::Capacity => self.by_capacity(stuck, runs),
            Method::Sweeps => self.by_sweeps(stuck, runs),
        }
    }

    /// A system that is stuck at a rate is not stable at it.
    fn check(&self, predicted: Predicted) -> Predicted {
        let Predicted::Found(Prediction { stable_rate, .. }) = &predicted else { return predicted };
        let (value, rate) = (stable_rate.value, self.cells.rate());
        match value > 0.0 && value < rate {
            true => predicted,
            false => Predicted::Impossible(format!(
                "the result is {} requests/s, but the system is stuck at {rate} requests/s",
                round(value)
            )),
        }
    }

    /// The run that shows the capacity, if it was made.
    pub fn climb<'a>(&self, runs: &[&'a RunOutcome]) -> Option<&'a RunOutcome> {
        find(runs, &self.cells.climb().cell)
    }

    /// The capacity in attempts/s, if the run that shows it was made and went past it.
    pub fn capacity(&self, runs: &[&RunOutcome]) -> Option<Estimate> {
        let (successes, width, overloaded) = ramp_successes(self.climb(runs)?)?;
        best_throughput(Ramp { successes: &successes, width }, CONFIDENCE).filter(|_| overloaded)
    }

    /// The sweeps that were made, the gentle one first.
    pub fn sweeps<'a>(&self, runs: &[&'a RunOutcome]) -> Option<[Option<&'a RunOutcome>; 2]> {
        let stuck = find(runs, &self.cells.stuck().cell)?;
        let expected = self.expect(stuck, runs).ok()?;
        Some(self.cells.sweeps(expected).map(|request| find(runs, &request.cell)))
    }

    fn by_stuck_throughput(&self, stuck: &RunOutcome) -> Result<Prediction, String> {
        let width = crate::units::Time(stuck.intervals.width_ns);
        let estimate = stuck_throughput(&stuck_bins(stuck, self.abandons), width, CONFIDENCE);
        let prediction = |stable_rate| Prediction { method: Method::StuckThroughput, stable_rate };
        estimate.map(prediction).map_err(|why| why.to_string())
    }

    fn by_capacity(&self, stuck: &RunOutcome, runs: &[&RunOutcome]) -> Predicted {
        let request = self.cells.climb();
        let Some(climb) = find(runs, &request.cell) else { return Predicted::Run(request) };
        let Some((successes, width, overloaded)) = ramp_successes(climb) else {
            return Predicted::Impossible("the ramp was not observed".to_owned());
        };
        if !overloaded {
            let rate = request.cell.ramp.map_or(request.cell.rate, |ramp| ramp.to);
            return Predicted::Impossible(format!(
                "the system was healthy up to {rate} requests/s, so its capacity is not known"
            ));
        }
        let ramp = Ramp { successes: &successes, width };
        match capacity_over_amplification(ramp, &attempts_bins(stuck), CONFIDENCE) {
            Ok(stable_rate) => Predicted::Found(Prediction { method: Method::Capacity, stable_rate }),
            Err(why) => Predicted::Impossible(why.to_string()),
        }
    }

    fn by_sweeps(&self, stuck: &RunOutcome, runs: &[&RunOutcome]) -> Predicted {
        let expected = match self.expect(stuck, runs) {
            Ok(expected) => expected,
            Err(request) => return Predicted::Run(*request),
        };
        let mut sweeps = Vec::new();
        for request in self.cells.sweeps(expected) {
            let Some(run) = find(runs, &request.cell) else { return Predicted::Run(request) };
            match read_sweep(run) {
                Ok(sweep) => sweeps.push(sweep),
                Err(why) => return Predicted::Impossible(why.to_string()),
            }
        }
        let Ok([gentle, steep]) = <[_; 2]>::try_from(sweeps) else {
            return Predicted::Impossible("a sweep is missing".to_owned());
        };
        match SweepPair::new(gentle, steep) {
            Ok(pair) => {
                Predicted::Found(Prediction { method: Method::Sweeps, stable_rate: pair.stable_rate(CONFIDENCE) })
            }
            Err(why) => Predicted::Impossible(why.to_string()),
        }
    }

    /// About where sweeps will find the stable rate, or the run that tells.
    fn expect(&self, stuck: &RunOutcome, runs: &[&RunOutcome]) -> Result<f64, Box<Request>> {
        if let Predicted::Found(prediction) = self.check(self.predict_by(Method::StuckThroughput, stuck, runs)) {
            return Ok(prediction.stable_rate.value);
        }
        match self.check(self.by_capacity(stuck, runs)) {
            Predicted::Run(request) => Err(Box::new(request)),
            Predicted::Found(prediction) => Ok(prediction.stable_rate.value),
            Predicted::NotStuck(_) | Predicted::Impossible(_) => Ok(self.cells.rate() / 2.0),
        }
    }
}

/// The last run of a cell.
pub(super) fn find<'a>(runs: &[&'a RunOutcome], cell: &Cell) -> Option<&'a RunOutcome> {
    runs.iter().rev().find(|run| run.cell() == *cell).copied()
}
