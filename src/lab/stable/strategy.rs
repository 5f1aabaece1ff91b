use super::advice::{AdviceTest, test_advice};
use super::cells::{StableCells, round};
use super::observe::mean_backlog;
use super::prediction::{Predicted, Prediction, Predictor, find};
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::{Forecast, Request, Strategy};
use crate::lab::statistics::advice::ShedAdvice;
use crate::units::Time;

/// The runs of a search for the stable rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StableSearch {
    pub(super) predictor: Predictor,
    /// How many runs verify each side.
    pub(super) verify: u64,
    pub(super) verify_advice: bool,
}

/// A prediction is verified at these multiples of it: the system should recover at the first, and be stuck at the second.
pub(super) const BELOW: f64 = 0.9;
pub(super) const ABOVE: f64 = 1.1;

/// How the runs on one side of a prediction ended.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Verification {
    /// Requests per second.
    pub rate: f64,
    pub runs: u64,
    pub recovered: u64,
    pub stuck: u64,
}

impl StableSearch {
    fn cells(&self) -> &StableCells {
        &self.predictor.cells
    }

    /// The rates of the verification: below and above the prediction.
    pub(super) fn rates(prediction: &Prediction) -> [f64; 2] {
        [BELOW, ABOVE].map(|factor| round(factor * prediction.stable_rate.value))
    }

    /// The requests of the verification, from both sides in turn.
    fn verification(&self, prediction: &Prediction) -> impl Iterator<Item = Request> + '_ {
        let [below, above] = StableSearch::rates(prediction);
        (0..self.verify)
            .flat_map(move |index| [self.cells().verification(below, index), self.cells().verification(above, index)])
    }

    /// How the runs at `rate` ended.
    pub(super) fn verify_at(&self, rate: f64, runs: &[&RunOutcome]) -> Verification {
        let made = (0..self.verify).filter_map(|index| find(runs, &self.cells().verification(rate, index).cell));
        let empty = Verification { rate, runs: 0, recovered: 0, stuck: 0 };
        made.fold(empty, |sum, run| Verification {
            runs: sum.runs + 1,
            recovered: sum.recovered + u64::from(run.is_healthy()),
            stuck: sum.stuck + u64::from(run.is_stuck()),
            ..sum
        })
    }

    /// The advice for the plan's rate, if the system was stuck at it.
    pub(super) fn advice(&self, prediction: &Prediction, runs: &[&RunOutcome]) -> Option<ShedAdvice> {
        let stuck = find(runs, &self.cells().stuck().cell)?;
        ShedAdvice::of(self.cells().rate(), prediction.stable_rate.value, mean_backlog(stuck))
    }

    pub(super) fn test_advice(&self, prediction: &Prediction, runs: &[&RunOutcome]) -> Option<AdviceTest> {
        let advice = self.advice(prediction, runs).filter(|_| self.verify_advice)?;
        Some(test_advice(self.cells(), advice, runs))
    }
}

impl Strategy for StableSearch {
    fn next(&self, runs: &[&RunOutcome], _same_system: bool) -> Option<Request> {
        let prediction = match self.predictor.predict(runs) {
            Predicted::Run(request) => return Some(request),
            Predicted::Found(prediction) => prediction,
            Predicted::NotStuck(_) | Predicted::Impossible(_) => return None,
        };
        let unverified = self.verification(&prediction).find(|request| find(runs, &request.cell).is_none());
        unverified.or_else(|| self.test_advice(&prediction, runs).and_then(|test| test.next))
    }

    fn left(&self, runs: &[&RunOutcome], same_system: bool) -> Forecast {
        let Some(next) = self.next(runs, same_system) else { return Forecast::default() };
        let mut requests = vec![next];
        match self.predictor.predict(runs) {
            Predicted::Found(prediction) => {
                let open = self.verification(&prediction).filter(|request| find(runs, &request.cell).is_none());
                requests.extend(open.filter(|request| *request != next));
            }
            // Where the stable rate will be is not known yet.
            _ => {
                let sides = [0.5, 2.0].map(|factor| self.cells().verification(factor * self.cells().rate(), 0));
                requests.extend(sides.repeat(usize::try_from(self.verify).unwrap_or(0)));
            }
        }
        let load = requests.iter().fold(Time::ZERO, |load, request| load.plus(request.load));
        Forecast { runs: requests.len(), load }
    }
}
