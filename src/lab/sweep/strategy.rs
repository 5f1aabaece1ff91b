use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::{Forecast, Request, Strategy};
use crate::lab::stable::prediction::{Predicted, Predictor};

/// The runs of a hysteresis loop: stuck, climbing, and two sweeps down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepLoop {
    /// It predicts by sweeps.
    pub(super) predictor: Predictor,
}

impl Strategy for SweepLoop {
    fn next(&self, runs: &[&RunOutcome], _same_system: bool) -> Option<Request> {
        let climb = || self.predictor.climb(runs).is_none().then(|| self.predictor.cells.climb());
        match self.predictor.predict(runs) {
            Predicted::NotStuck(_) => None,
            // The climb tells the sweeps where to look, so it comes before them.
            Predicted::Run(request) if request == self.predictor.cells.stuck() => Some(request),
            Predicted::Run(request) => climb().or(Some(request)),
            Predicted::Found(_) | Predicted::Impossible(_) => climb(),
        }
    }

    fn left(&self, runs: &[&RunOutcome], same_system: bool) -> Forecast {
        let Some(next) = self.next(runs, same_system) else { return Forecast::default() };
        let cells = &self.predictor.cells;
        let sweeps = match self.predictor.sweeps(runs) {
            Some(sweeps) => {
                let expected = cells.sweeps(cells.rate() / 2.0);
                sweeps.into_iter().zip(expected).filter(|(run, _)| run.is_none()).map(|(_, request)| request).collect()
            }
            None => cells.sweeps(cells.rate() / 2.0).to_vec(),
        };
        let climb = self.predictor.climb(runs).is_none().then(|| cells.climb());
        let open: Vec<Request> = sweeps.into_iter().chain(climb).filter(|request| *request != next).collect();
        // The next run is one of them, unless it is the first.
        let others = if next == cells.stuck() { open.len() } else { open.len().saturating_sub(1) };
        let load = open.iter().take(others).fold(next.load, |load, request| load.plus(request.load));
        Forecast { runs: others + 1, load }
    }
}
