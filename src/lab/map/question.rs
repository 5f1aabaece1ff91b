use serde::{Deserialize, Serialize};

use super::answer::{MapAnswer, MapDetails};
use super::figure::draw_map;
use super::strategy::{MapStrategy, RateChoice};
use super::theory::find_retry_storm;
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::question::{Answer, AnswerFigure, Question};
use crate::lab::campaign::run::CampaignResult;
use crate::lab::search::{
    BoundarySearch, RunTiming, SEARCH_DWELL, check_outages, default_outages, plan_outages, to_outage,
};
use crate::lab::stable::prediction::Predictor;
use crate::lab::statistics::bisection::{BisectionPlan, InvalidSearch};
use crate::lab::twin_map::TwinMapAnswer;
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::DrawError;
use crate::twin::map::{DEFAULT_SEEDS, TwinMap, TwinMapPlan};
use crate::twin::plan::{TwinPlan, TwinSettings};
use crate::units::Time;

/// A map ends after this many runs.
pub const DEFAULT_MAX_RUNS: usize = 50;

/// A column ends at this ratio of its 90 % interval's ends, or after so many runs.
const STOP_RATIO: f64 = 1.5;
const MAX_RUNS_OF_A_COLUMN: usize = 12;

/// From which outage at which rate the system does not come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MapQuestion {
    /// The rates of the columns. `None`: they follow from the first runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Vec<f64>>,
    /// The range of outages. `None`: it follows from the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<(Time, Time)>,
    pub max_runs: usize,
    /// The twin whose prediction is drawn below the map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Box<TwinSettings>>,
}

impl MapQuestion {
    /// What the twin predicts for these columns. `None` without a twin, or before the columns are known.
    fn predict(&self, answer: &MapAnswer) -> Result<Option<TwinMapAnswer>, InvalidSetting> {
        let Some(settings) = self.twin.as_deref().filter(|_| !answer.columns.is_empty()) else { return Ok(None) };
        let twin = TwinPlan::resolve(settings.clone())?;
        let rates = Some(answer.columns.iter().map(|column| column.rate).collect());
        let outages = [answer.search.low, answer.search.high].map(to_outage);
        let plan = TwinMapPlan { rates, outages: outages.into(), seeds: DEFAULT_SEEDS, stable_rate: false };
        Ok(Some(TwinMapAnswer::new(&twin, &plan, &TwinMap::simulate(&twin, &plan)?)))
    }
}

impl Question for MapQuestion {
    const COMMAND: &'static str = "map";
    const DEFAULT_DWELL: Time = SEARCH_DWELL;
    type Strategy = MapStrategy;
    type Details = MapDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<MapStrategy, InvalidSetting> {
        check_outages(plan)?;
        if let Some(twin) = self.twin.as_deref() {
            TwinPlan::resolve(twin.clone())?;
        }
        let (timing, base) = (RunTiming::of(plan)?, Cell::of(plan));
        let outages = plan_outages(self.between.unwrap_or_else(|| default_outages(plan)));
        let search = BisectionPlan { stop_ratio: STOP_RATIO, max_runs: MAX_RUNS_OF_A_COLUMN, ..outages };
        let invalid = |error: InvalidSearch| InvalidSetting::new("--between", error.to_string());
        let search = BoundarySearch::new(search, 0).map_err(invalid)?;
        let rates = match &self.rates {
            Some(rates) => {
                let mut rates = rates.clone();
                rates.sort_by(f64::total_cmp);
                rates.dedup();
                RateChoice::Given(rates)
            }
            None => RateChoice::Predicted(Predictor::new(plan)?),
        };
        let BisectionPlan { low, high, .. } = *search.bisection().plan();
        for rate in self.rates.iter().flatten().copied().chain([base.rate]) {
            for outage in [low, high].map(to_outage) {
                let cell = Cell { rate, outage, ..base };
                cell.plan(plan, None).map_err(|InvalidSetting { key, why }| {
                    let why = format!("of a run at {rate} requests/s with an outage of {outage} {why}");
                    InvalidSetting::new(key, why)
                })?;
            }
        }
        Ok(MapStrategy { base, rates, search, max_runs: self.max_runs, timing, below: f64::INFINITY })
    }

    fn title(&self, _plan: &ExperimentPlan) -> String {
        "map of the shortest outages that tip the system".to_owned()
    }

    fn answer(
        &self,
        plan: &ExperimentPlan,
        strategy: &MapStrategy,
        result: &CampaignResult,
    ) -> Result<Answer<MapDetails>, DrawError> {
        let answer = MapAnswer::of(strategy, result);
        let storm = find_retry_storm(plan);
        let (twin, refused) = match self.predict(&answer) {
            Ok(twin) => (twin, None),
            // The measured map is complete without a prediction.
            Err(error) => (None, Some(format!(" The twin cannot be simulated at these rates: {error}."))),
        };
        let predicted = twin.as_ref().map(|twin| format!(" {}", twin.compare(&answer.curve)));
        let sentence = format!("{}{}", answer.sentence(), predicted.or(refused).unwrap_or_default());
        let figure = draw_map(&answer, plan.name(), storm, twin.as_ref());
        let figure = figure.map(|figure| AnswerFigure::draw("map", &figure, sentence.clone())).transpose()?;
        Ok(Answer {
            name: answer.name().to_owned(),
            exit_code: answer.exit_code(),
            tone: answer.tone(),
            details: MapDetails::new(&answer, storm, twin),
            figures: figure.into_iter().collect(),
            sentence,
        })
    }
}
