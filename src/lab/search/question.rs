use serde::{Deserialize, Serialize};

use super::answer::{BoundaryAnswer, SearchDetails};
use super::figure::draw_search;
use super::strategy::{Search, Searched, default_outages, default_rates};
use crate::lab::campaign::question::{Answer, AnswerFigure, Question};
use crate::lab::campaign::run::CampaignResult;
use crate::lab::campaign::schedule::valid_runs;
use crate::lab::statistics::bisection::BisectionPlan;
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::report::figures::DrawError;
use crate::units::Time;

/// How long a system must be stuck to end a run of a search.
pub const SEARCH_DWELL: Time = Time::from_secs(20);
/// Searches of many decades have less precise cells than this.
pub const MIN_PRECISION: f64 = 1.02;
pub const DEFAULT_MAX_RUNS: usize = 20;

/// The boundary of outages is less sharp than that of rates: an outage holds few requests, so that their number varies much
/// from run to run.
const OUTAGE_SOFTNESS: f64 = 0.03;

/// D*: the shortest outage that tips the system at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutageSearch {
    /// The range of outages. `None`: it follows from the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<(Time, Time)>,
    /// The search ends when the 90 % interval's upper end is at most this multiple of the lower one.
    pub precision: f64,
    pub max_runs: usize,
}

/// The largest rate that the system carries without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RateSearch {
    /// The range of rates in requests/s. `None`: it follows from the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<(f64, f64)>,
    /// As in [`OutageSearch`].
    pub precision: f64,
    pub max_runs: usize,
}

/// The plan of a search of outages in whole ms.
pub fn plan_outages((low, high): (Time, Time)) -> BisectionPlan {
    let [low, high] = [low, high].map(|outage| Searched::Outage.round(outage.as_secs_f64()));
    let plan = BisectionPlan::above(low, high);
    BisectionPlan { softness: OUTAGE_SOFTNESS, ..plan }
}

impl Question for OutageSearch {
    const COMMAND: &'static str = "search outage";
    const DEFAULT_DWELL: Time = SEARCH_DWELL;
    type Strategy = Search;
    type Details = SearchDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<Search, InvalidSetting> {
        let &OutageSearch { between, precision, max_runs } = self;
        let outages = plan_outages(between.unwrap_or_else(|| default_outages(plan)));
        Search::new(Searched::Outage, plan, BisectionPlan { stop_ratio: precision, max_runs, ..outages })
    }

    fn title(&self, plan: &ExperimentPlan) -> String {
        format!("shortest outage that tips the system at {} requests/s", plan.load().rate)
    }

    fn answer(
        &self,
        plan: &ExperimentPlan,
        search: &Search,
        result: &CampaignResult,
    ) -> Result<Answer<SearchDetails>, DrawError> {
        answer(plan, search, result)
    }
}

impl Question for RateSearch {
    const COMMAND: &'static str = "search rate";
    const DEFAULT_DWELL: Time = SEARCH_DWELL;
    type Strategy = Search;
    type Details = SearchDetails;

    fn strategy(&self, plan: &ExperimentPlan) -> Result<Search, InvalidSetting> {
        let &RateSearch { between, precision, max_runs } = self;
        let (low, high) = between.unwrap_or_else(|| default_rates(plan));
        let search = BisectionPlan { stop_ratio: precision, max_runs, ..BisectionPlan::above(low, high) };
        Search::new(Searched::Rate, plan, search)
    }

    fn title(&self, _plan: &ExperimentPlan) -> String {
        "largest rate that the system carries without a fault".to_owned()
    }

    fn answer(
        &self,
        plan: &ExperimentPlan,
        search: &Search,
        result: &CampaignResult,
    ) -> Result<Answer<SearchDetails>, DrawError> {
        answer(plan, search, result)
    }
}

fn answer(plan: &ExperimentPlan, search: &Search, result: &CampaignResult) -> Result<Answer<SearchDetails>, DrawError> {
    let answer = BoundaryAnswer::of(search, result);
    let after = search.after(&valid_runs(&result.runs));
    let bisection = after.bisection();
    let sentence = answer.sentence(search, bisection);
    let figure = draw_search(&answer, plan.name(), search, bisection);
    let figure = figure.map(|figure| AnswerFigure::draw("search", &figure, sentence.clone())).transpose()?;
    Ok(Answer {
        name: answer.name().to_owned(),
        exit_code: answer.exit_code(),
        tone: answer.tone(),
        details: SearchDetails::new(&answer, search, bisection),
        figures: figure.into_iter().collect(),
        sentence,
    })
}
