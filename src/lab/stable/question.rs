use serde::{Deserialize, Serialize};

use super::answer::{Found, StableAnswer};
use super::cells::StableCells;
use super::figure::draw_stable;
use super::prediction::{Method, Predictor};
use super::strategy::StableSearch;
use crate::lab::campaign::question::{Answer, AnswerFigure, Question};
use crate::lab::campaign::run::CampaignResult;
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::DrawError;
use crate::report::html::Tone;
use crate::units::Time;

/// Below which rate the system recovers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StableQuestion {
    /// `None`: the first method that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// How many runs verify each side of the prediction.
    pub verify: u64,
    pub verify_advice: bool,
}

/// What `campaign.json` says of a stable rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StableDetails {
    /// The rate of the plan, in requests/s.
    pub rate: f64,
    /// `None` if no stable rate was found.
    pub stable: Option<Found>,
}

impl Question for StableQuestion {
    const COMMAND: &'static str = "search stable";
    /// Near its boundary a system that drains looks stuck for long.
    const DEFAULT_DWELL: Time = Time::from_secs(45);
    type Strategy = StableSearch;
    type Details = StableDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<StableSearch, InvalidSetting> {
        let predictor = Predictor { method: self.method, ..Predictor::new(plan)? };
        let cells = &predictor.cells;
        // What is certainly needed must be possible.
        let mut needed = vec![cells.verification(cells.rate() / 4.0, 0)];
        needed.extend((self.method == Some(Method::Capacity)).then(|| cells.climb()));
        needed.extend(
            (self.method == Some(Method::Sweeps)).then(|| cells.sweeps(cells.rate() / 2.0)).into_iter().flatten(),
        );
        needed.extend(self.verify_advice.then(|| cells.shed(cells.rate() / 4.0, Time::from_secs(5))));
        StableCells::check(plan, &needed)?;
        Ok(StableSearch { predictor, verify: self.verify, verify_advice: self.verify_advice })
    }

    fn title(&self, plan: &ExperimentPlan) -> String {
        format!("search for the stable rate, from {} requests/s", plan.load().rate)
    }

    fn answer(
        &self,
        plan: &ExperimentPlan,
        search: &StableSearch,
        result: &CampaignResult,
    ) -> Result<Answer<StableDetails>, DrawError> {
        let answer = StableAnswer::of(search, result);
        let rate = plan.load().rate;
        let sentence = answer.sentence(rate);
        let figure = draw_stable(plan, search, &answer, result);
        let figure = figure.map(|figure| AnswerFigure::draw("search", &figure, sentence.clone())).transpose()?;
        Ok(Answer {
            name: answer.name().to_owned(),
            sentence,
            exit_code: answer.exit_code(),
            tone: match answer.exit_code() {
                0 => Tone::Good,
                17 | 18 => Tone::Doubtful,
                _ => Tone::Unknown,
            },
            details: StableDetails { rate, stable: answer.found().cloned() },
            figures: figure.into_iter().collect(),
        })
    }
}
