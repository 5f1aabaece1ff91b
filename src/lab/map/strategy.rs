use super::columns::MapColumns;
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::{Forecast, Request, Strategy};
use crate::lab::search::{BoundarySearch, RunTiming};
use crate::lab::stable::prediction::{Predicted, Prediction, Predictor};
use crate::lab::statistics::interval::Estimate;
use crate::units::{Time, round_digits};

/// The runs of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapStrategy {
    pub(super) base: Cell,
    /// The rates that the user gave, or how the stable rate is predicted, from which they follow.
    pub(super) rates: RateChoice,
    /// How a column is searched.
    pub(super) search: BoundarySearch,
    /// The map ends after this many runs.
    pub(super) max_runs: usize,
    pub(super) timing: RunTiming,
    /// Columns are below this rate, in requests/s.
    pub(super) below: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RateChoice {
    Given(Vec<f64>),
    Predicted(Predictor),
}

/// The columns of a map, after some runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// The columns, the stable rate from which they follow, and the capacity in attempts/s if a run showed it.
    Known { columns: MapColumns, stable_rate: Option<Prediction>, capacity: Option<Estimate> },
    /// This run predicts the stable rate.
    Run(Request),
    /// The rates do not follow from the runs: why.
    Unknown(String),
}

/// Without given rates: this many columns, from the first multiple of the predicted stable rate to the second one of the
/// plan's rate, or to this part of the capacity if that is less.
const COLUMNS: usize = 5;
const FROM: f64 = 1.08;
const TO: f64 = 1.2;
const OF_CAPACITY: f64 = 0.95;
/// For forecasts: outages near the boundary are about as long.
const USUAL_OUTAGE: Time = Time::from_secs(1);
/// Columns are at least this much apart.
const MIN_STEP: f64 = 1.02;

impl MapStrategy {
    /// The columns, as far as these runs tell.
    pub fn layout(&self, runs: &[&RunOutcome]) -> Layout {
        let known = |rates: Vec<f64>, stable_rate, capacity| {
            let mut columns = self.columns(rates);
            columns.rates.retain(|&rate| rate < self.below);
            Layout::Known { columns, stable_rate, capacity }
        };
        let predictor = match &self.rates {
            RateChoice::Given(rates) => return known(rates.clone(), None, None),
            RateChoice::Predicted(predictor) => predictor,
        };
        match predictor.predict(runs) {
            Predicted::Run(request) => Layout::Run(request),
            Predicted::Found(prediction) => {
                let (stable_rate, capacity) = (prediction.stable_rate.value, predictor.capacity(runs));
                let to = self.largest_rate(capacity);
                match self.spread_rates(stable_rate, to) {
                    Some(rates) => known(rates, Some(prediction), capacity),
                    None => Layout::Unknown(format!(
                        "the stable rate of about {} requests/s is not far enough below {to} requests/s, the largest rate \
                         of the map",
                        round_digits(stable_rate, 3),
                    )),
                }
            }
            Predicted::NotStuck(verdict) => Layout::Unknown(format!(
                "after the experiment's own fault the verdict was {verdict} at {} requests/s, so the system was not stuck",
                self.base.rate
            )),
            Predicted::Impossible(why) => Layout::Unknown(format!("the stable rate could not be predicted: {why}")),
        }
    }

    fn columns(&self, rates: Vec<f64>) -> MapColumns {
        MapColumns { start: self.base.rate, rates, search: self.search.clone() }
    }

    /// The rate of the last column. Close to the capacity, if it is known, a system is not healthy without a fault either.
    pub(super) fn largest_rate(&self, capacity: Option<Estimate>) -> f64 {
        let to = TO * self.base.rate;
        round_digits(capacity.map_or(to, |capacity| to.min(OF_CAPACITY * capacity.value)), 3)
    }

    /// The rates of the columns, in a geometric sequence.
    fn spread_rates(&self, stable_rate: f64, to: f64) -> Option<Vec<f64>> {
        let from = FROM * stable_rate;
        let step = (to / from).powf(1.0 / (COLUMNS - 1) as f64);
        (step >= MIN_STEP).then(|| (0..COLUMNS).map(|i| round_digits(from * step.powi(i as i32), 3)).collect())
    }
}

impl Strategy for MapStrategy {
    fn next(&self, runs: &[&RunOutcome], _same_system: bool) -> Option<Request> {
        match self.layout(runs) {
            Layout::Run(request) => Some(request),
            Layout::Known { columns, .. } if runs.len() < self.max_runs => {
                columns.next_cell(self.base, runs).map(|cell| self.timing.with_fault(cell))
            }
            Layout::Known { .. } | Layout::Unknown(_) => None,
        }
    }

    fn below(&self, rate: f64) -> Option<Box<dyn Strategy>> {
        Some(Box::new(MapStrategy { below: rate, ..self.clone() }))
    }

    fn left(&self, runs: &[&RunOutcome], same_system: bool) -> Forecast {
        let layout = self.layout(runs);
        let (next, columns) = match &layout {
            Layout::Known { .. } if self.next(runs, same_system).is_none() => return Forecast::default(),
            Layout::Known { columns, .. } => (None, Some(columns.clone())),
            // Columns at other rates need about as many runs.
            Layout::Run(next) => (
                Some(next),
                self.spread_rates(self.base.rate / 2.0, self.largest_rate(None)).map(|rates| self.columns(rates)),
            ),
            Layout::Unknown(_) => return Forecast::default(),
        };
        let most = self.max_runs.saturating_sub(runs.len() + usize::from(next.is_some()));
        let left = columns.map_or(0, |columns| columns.runs_left(runs)).min(most);
        let usual = self.timing.with_fault(Cell { outage: USUAL_OUTAGE, ..self.base }).load;
        let load = next.map_or(Time::ZERO, |request| request.load).plus(usual.times(left as u64));
        Forecast { runs: left + usize::from(next.is_some()), load }
    }
}
