//! What a command of the laboratory adds to a campaign: the question, and the answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::run::CampaignResult;
use super::schedule::Strategy;
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::{DrawError, Drawing};
use crate::report::html::Tone;
use crate::units::Time;

/// A question about a system, as a command of the laboratory asks it. Its fields are the table `question` of
/// `campaign.toml`.
pub trait Question: Serialize + DeserializeOwned {
    /// The command: `certify`, `search outage`.
    const COMMAND: &'static str;
    /// How long a system must be stuck to end a run, and how long it is watched afterwards.
    const DEFAULT_DWELL: Time;
    type Strategy: Strategy;
    /// What `campaign.json` says besides the answer.
    type Details: Serialize;

    /// How the question is answered for a system.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the plan does not suit the question.
    fn strategy(&self, plan: &ExperimentPlan) -> Result<Self::Strategy, InvalidSetting>;

    /// What is asked: `certificate at 300 requests/s`.
    fn title(&self, plan: &ExperimentPlan) -> String;

    /// What the runs so far say.
    ///
    /// # Errors
    /// [`DrawError`] if the drawing library fails. No data causes this.
    fn answer(
        &self,
        plan: &ExperimentPlan,
        strategy: &Self::Strategy,
        result: &CampaignResult,
    ) -> Result<Answer<Self::Details>, DrawError>;
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer<Details> {
    /// In capitals.
    pub name: String,
    /// The answer in a sentence or two.
    pub sentence: String,
    /// The exit code with `--exit-code`.
    pub exit_code: u8,
    /// What it means for the system.
    pub tone: Tone,
    pub details: Details,
    pub figures: Vec<AnswerFigure>,
}

/// A figure of an answer, drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFigure {
    /// The name of its files without the extension.
    pub file_stem: &'static str,
    pub png: Vec<u8>,
    pub svg: String,
    /// Its description for screen readers.
    pub alt_text: String,
}

impl AnswerFigure {
    /// # Errors
    /// [`DrawError`] if the drawing library fails. No data causes this.
    pub fn draw(file_stem: &'static str, drawing: &impl Drawing, alt_text: String) -> Result<AnswerFigure, DrawError> {
        Ok(AnswerFigure { file_stem, png: drawing.render_png()?, svg: drawing.render_svg()?, alt_text })
    }
}
