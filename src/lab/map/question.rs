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
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::DrawError;
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
}

impl Question for MapQuestion {
    const COMMAND: &'static str = "map";
    const DEFAULT_DWELL: Time = SEARCH_DWELL;
    type Strategy = MapStrategy;
    type Details = MapDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<MapStrategy, InvalidSetting> {
        check_outages(plan)?;
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
        let sentence = answer.sentence();
        let storm = find_retry_storm(plan);
        let figure = draw_map(&answer, plan.name(), storm);
        let figure = figure.map(|figure| AnswerFigure::draw("map", &figure, sentence.clone())).transpose()?;
        Ok(Answer {
            name: answer.name().to_owned(),
            exit_code: answer.exit_code(),
            tone: answer.tone(),
            details: MapDetails::new(&answer, storm),
            figures: figure.into_iter().collect(),
            sentence,
        })
    }
}
