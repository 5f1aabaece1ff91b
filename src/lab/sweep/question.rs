use serde::{Deserialize, Serialize};

use super::answer::{Hysteresis, SweepAnswer};
use super::figure::draw_loop;
use super::strategy::SweepLoop;
use crate::lab::campaign::question::{Answer, AnswerFigure, Question};
use crate::lab::campaign::run::CampaignResult;
use crate::lab::stable::StableCells;
use crate::lab::stable::prediction::{Method, Predictor};
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::DrawError;
use crate::report::html::Tone;
use crate::units::Time;

/// At which loads a system has two states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepQuestion {}

/// What `campaign.json` says of a hysteresis loop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepDetails {
    /// The rate of the plan, in requests/s.
    pub rate: f64,
    /// `None` if the loop was not observed.
    pub hysteresis: Option<Hysteresis>,
}

impl Question for SweepQuestion {
    const COMMAND: &'static str = "sweep";
    const DEFAULT_DWELL: Time = Time::from_secs(30);
    type Strategy = SweepLoop;
    type Details = SweepDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<SweepLoop, InvalidSetting> {
        let predictor = Predictor { method: Some(Method::Sweeps), ..Predictor::new(plan)? };
        let [gentle, steep] = predictor.cells.sweeps(predictor.cells.rate() / 2.0);
        StableCells::check(plan, &[predictor.cells.climb(), gentle, steep])?;
        Ok(SweepLoop { predictor })
    }

    fn title(&self, plan: &ExperimentPlan) -> String {
        format!("hysteresis loop up to {} requests/s", plan.load().rate)
    }

    fn answer(
        &self,
        plan: &ExperimentPlan,
        sweep: &SweepLoop,
        result: &CampaignResult,
    ) -> Result<Answer<SweepDetails>, DrawError> {
        let answer = SweepAnswer::of(sweep, result);
        let rate = plan.load().rate;
        let found = match &answer {
            SweepAnswer::Found(found) => Some(*found),
            _ => None,
        };
        let figure = draw_loop(plan, sweep, result, found.map(|found| found.stable_rate));
        let alt_text = answer.sentence(rate);
        let figure = figure.map(|figure| AnswerFigure::draw("sweep", &figure, alt_text.clone())).transpose()?;
        Ok(Answer {
            name: answer.name().to_owned(),
            sentence: alt_text,
            exit_code: answer.exit_code(),
            tone: match answer.exit_code() {
                0 => Tone::Bad,
                17 | 18 => Tone::Doubtful,
                _ => Tone::Unknown,
            },
            details: SweepDetails { rate, hysteresis: found },
            figures: figure.into_iter().collect(),
        })
    }
}
