use serde::{Deserialize, Serialize};

use super::answer::{CertifyAnswer, CertifyDetails};
use super::figure::draw_certificate;
use super::strategy::Certify;
use crate::lab::campaign::question::{Answer, AnswerFigure, Question};
use crate::lab::campaign::run::CampaignResult;
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::DrawError;
use crate::report::html::Tone;
use crate::units::Time;

/// Whether a system has two states at one load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifyQuestion {}

impl Question for CertifyQuestion {
    const COMMAND: &'static str = "certify";
    const DEFAULT_DWELL: Time = Time::from_secs(30);
    type Strategy = Certify;
    type Details = CertifyDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<Certify, InvalidSetting> {
        Certify::new(plan)
    }

    fn title(&self, plan: &ExperimentPlan) -> String {
        format!("certificate at {} requests/s", plan.load().rate)
    }

    fn answer(
        &self,
        plan: &ExperimentPlan,
        certify: &Certify,
        result: &CampaignResult,
    ) -> Result<Answer<CertifyDetails>, DrawError> {
        let answer = CertifyAnswer::of(certify, result);
        let (rate, sentence) = (plan.load().rate, answer.sentence(plan.load().rate));
        let figure = draw_certificate(&answer, plan.name(), rate, certify, result);
        let figure = figure.map(|figure| AnswerFigure::draw("certificate", &figure, sentence.clone())).transpose()?;
        Ok(Answer {
            name: answer.name().to_owned(),
            exit_code: answer.exit_code(),
            tone: match answer.exit_code() {
                0 => Tone::Good,
                10 | 15 | 16 => Tone::Bad,
                17 => Tone::Doubtful,
                _ => Tone::Unknown,
            },
            details: CertifyDetails { rate, windows: answer.windows().cloned() },
            figures: figure.into_iter().collect(),
            sentence,
        })
    }
}
