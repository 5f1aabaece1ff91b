//! What a map says, in a sentence and as data.

use serde::Serialize;

use super::columns::{Column, to_map_run};
use super::strategy::{Layout, MapStrategy};
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, find_overload, valid_runs};
use crate::lab::search::to_outage;
use crate::lab::stable::prediction::Prediction;
use crate::lab::statistics::bisection::{BisectionPlan, SearchAnswer};
use crate::lab::statistics::closed_form::RetryStorm;
use crate::lab::statistics::contradictions::{Contradiction, MapRun, find_contradictions};
use crate::lab::statistics::interval::Estimate;
use crate::lab::statistics::isotonic::{OutageColumn, fit_outage_curve};
use crate::lab::twin_map::TwinMapAnswer;
use crate::report::html::Tone;
use crate::units::format_three_digits;
use crate::verdict::Verdict;

/// The answer of `metawrk map`.
#[derive(Clone, Debug, PartialEq)]
pub struct MapAnswer {
    /// How a column is searched.
    pub search: BisectionPlan,
    /// By rate.
    pub columns: Vec<Column>,
    /// D* by rate, of the columns that have one.
    pub curve: Vec<OutageColumn>,
    pub stable_rate: Option<Prediction>,
    /// In attempts/s, if a run went past it.
    pub capacity: Option<Estimate>,
    /// The runs with a fault at a constant rate, and their numbers.
    pub points: Vec<MapRun>,
    pub numbers: Vec<u32>,
    pub contradictions: Vec<Contradiction>,
    /// Why columns are missing.
    pub unfinished: Option<String>,
}

impl MapAnswer {
    pub fn of(strategy: &MapStrategy, result: &CampaignResult) -> MapAnswer {
        let valid = valid_runs(&result.runs);
        let overload = find_overload(&result.runs);
        let strategy = &MapStrategy { below: overload.unwrap_or(f64::INFINITY), ..strategy.clone() };
        let layout = strategy.layout(&valid);
        let (mut columns, stable_rate, capacity) = match &layout {
            Layout::Known { columns, stable_rate, capacity } => (columns.after(&valid), *stable_rate, *capacity),
            Layout::Run(_) | Layout::Unknown(_) => (Vec::new(), None, None),
        };
        columns.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let of_column = |column: &Column| Some(OutageColumn { rate: column.rate, outage: column.estimate()? });
        // The intervals of a search have one confidence, and are above 0.
        let curve = fit_outage_curve(&columns.iter().filter_map(of_column).collect::<Vec<_>>()).unwrap_or_default();
        let with_fault = valid.iter().filter_map(|run| Some((to_map_run(run)?, run.record.run)));
        let (points, numbers): (Vec<MapRun>, Vec<u32>) = with_fault.unzip();
        let is_open = columns.iter().any(|column| column.answer().is_none());
        let unfinished = match layout {
            Layout::Unknown(why) => Some(format!("{why}. Name the columns (--rates)")),
            Layout::Known { .. } if !is_open => overload.map(explain_overload),
            _ if valid.len() >= strategy.max_runs => {
                Some(format!("the map may have {} runs. Allow more (--max-runs)", strategy.max_runs))
            }
            _ => Some(explain_end(result)),
        };
        let contradictions = find_contradictions(&points);
        let search = *strategy.search.bisection().plan();
        MapAnswer { search, columns, curve, stable_rate, capacity, points, numbers, contradictions, unfinished }
    }

    /// The answer in capitals.
    pub fn name(&self) -> &'static str {
        match (&self.unfinished, self.columns.iter().any(|column| column.answer().is_some())) {
            (None, _) => "MAPPED",
            (Some(_), true) => "INCOMPLETE",
            (Some(_), false) => "UNANSWERED",
        }
    }

    /// The exit code with `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self.name() {
            "MAPPED" => 0,
            "INCOMPLETE" => 17,
            _ => Verdict::Invalid(Vec::new()).exit_code(),
        }
    }

    /// What the answer means for the reader.
    pub fn tone(&self) -> Tone {
        match self.exit_code() {
            0 => Tone::Good,
            17 => Tone::Doubtful,
            _ => Tone::Unknown,
        }
    }

    /// The answer in a few sentences.
    pub fn sentence(&self) -> String {
        let columns: Vec<String> = self.columns.iter().filter_map(|column| self.describe_column(column)).collect();
        let mut text = match columns.is_empty() {
            true => "no column of the map is known.".to_owned(),
            false => format!(
                "shortest outages that tip the system (90 % intervals): {}; by {} runs. {}",
                columns.join(", "),
                self.points.len(),
                self.describe_contradictions()
            ),
        };
        text.push_str(&self.describe_imprecise().unwrap_or_default());
        if let Some(why) = &self.unfinished {
            text.push_str(&format!(" The map is not complete: {why}."));
        }
        text
    }

    /// `0.31 s (0.28..0.34) at 200/s`. `None` if the column needs more runs.
    fn describe_column(&self, column: &Column) -> Option<String> {
        let rate = column.rate;
        Some(match column.answer()? {
            SearchAnswer::Found(estimate) | SearchAnswer::Imprecise(estimate) => {
                let Estimate { value, interval } = estimate;
                let [value, low, high] = [value, interval.low, interval.high].map(format_three_digits);
                format!("{value} s ({low}..{high}) at {rate}/s")
            }
            SearchAnswer::NeverTipped => format!("none up to {} at {rate}/s", to_outage(self.search.high)),
            SearchAnswer::AlwaysTipped => format!("less than {} at {rate}/s", to_outage(self.search.low)),
        })
    }

    fn describe_contradictions(&self) -> String {
        let contradict =
            self.contradictions.iter().filter(|pair| self.outage_ratio(pair) > self.search.stop_ratio).count();
        match (contradict, self.count_tests()) {
            (0, 0) => "No two runs test whether tipping is monotone.".to_owned(),
            (0, tests) => format!(
                "Tipping was monotone in {tests} pairs of runs: after a much longer outage at the same or a larger rate, the \
                 system tipped too."
            ),
            (pairs, tests) => format!(
                "Tipping was not monotone: in {pairs} of {tests} pairs of runs, the much longer outage at the same or a \
                 larger rate did not tip."
            ),
        }
    }

    /// The pairs of runs that test whether tipping is monotone: one that tipped, and one at the same or a larger rate with a
    /// much longer outage.
    fn count_tests(&self) -> usize {
        let tests = |low: &MapRun, high: &MapRun| {
            let ratio = high.outage.as_secs_f64() / low.outage.as_secs_f64();
            high.rate >= low.rate && ratio > self.search.stop_ratio
        };
        let tipped = self.points.iter().filter(|run| run.tipped);
        tipped.map(|low| self.points.iter().filter(|high| tests(low, high)).count()).sum()
    }

    /// The columns that ended at their last run. `None` without such columns.
    fn describe_imprecise(&self) -> Option<String> {
        let is_imprecise = |column: &&Column| matches!(column.answer(), Some(SearchAnswer::Imprecise(_)));
        let rates: Vec<String> =
            self.columns.iter().filter(is_imprecise).map(|column| format!("{}/s", column.rate)).collect();
        let BisectionPlan { stop_ratio, max_runs, .. } = self.search;
        let which = rates.join(", ");
        (!rates.is_empty())
            .then(|| format!(" After {max_runs} runs the interval is wider than a ratio of {stop_ratio} at {which}."))
    }

    /// How many times as long the outage was that did not tip. Near the boundary both outcomes occur, so that a small ratio
    /// means little.
    fn outage_ratio(&self, pair: &Contradiction) -> f64 {
        let outage = |index: usize| self.points[index].outage.as_secs_f64();
        outage(pair.recovered) / outage(pair.tipped)
    }
}

fn explain_overload(rate: f64) -> String {
    format!("the system does not carry {rate} requests/s without a fault. Name smaller rates (--rates)")
}

/// Why the campaign ended before its answer.
fn explain_end(result: &CampaignResult) -> String {
    let highest = valid_runs(&result.runs).iter().map(|run| run.cell().rate).fold(0.0, f64::max);
    match (&result.end, result.runs.last()) {
        (CampaignEnd::Ended(Ending::Permanent | Ending::Invalid { .. }), Some(last))
            if last.began_unhealthy() && last.cell().rate > highest =>
        {
            explain_overload(last.cell().rate)
        }
        (end, _) => end.explain(),
    }
}

/// What `campaign.json` says of a map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapDetails {
    /// How a column is searched whose neighbours tell nothing. Outages are in seconds.
    pub search: BisectionPlan,
    /// The predicted stable rate in requests/s, if the columns follow from it.
    pub stable_rate: Option<Prediction>,
    /// In attempts/s, if a run went past it.
    pub capacity: Option<Estimate>,
    /// The stable rate of the closed form, for the retry storm of the testbed.
    pub closed_form_stable_rate: Option<f64>,
    pub columns: Vec<ColumnDetails>,
    pub contradictions: Vec<ContradictionDetails>,
    /// What the twin predicts, if there is one.
    pub twin: Option<TwinMapAnswer>,
}

/// A column, with outages in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnDetails {
    pub rate: f64,
    /// `None` for a column that needs more runs.
    pub answer: Option<SearchAnswer>,
    /// D* after the columns were made monotone.
    pub curve: Option<Estimate>,
    /// D* of the closed form.
    pub closed_form: Option<f64>,
    pub runs: usize,
}

/// Two runs that contradict each other, by their numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContradictionDetails {
    pub tipped: u32,
    pub recovered: u32,
    pub outage_ratio: f64,
}

impl MapDetails {
    pub fn new(answer: &MapAnswer, storm: Option<RetryStorm>, twin: Option<TwinMapAnswer>) -> MapDetails {
        let column = |column: &Column| ColumnDetails {
            rate: column.rate,
            answer: column.answer(),
            curve: answer.curve.iter().find(|point| point.rate == column.rate).map(|point| point.outage),
            closed_form: storm.and_then(|storm| storm.tipping_outage(column.rate)).map(|outage| outage.as_secs_f64()),
            runs: column.search.bisection().runs().len(),
        };
        let contradiction = |pair: &Contradiction| ContradictionDetails {
            tipped: answer.numbers[pair.tipped],
            recovered: answer.numbers[pair.recovered],
            outage_ratio: answer.outage_ratio(pair),
        };
        MapDetails {
            search: answer.search,
            stable_rate: answer.stable_rate,
            capacity: answer.capacity,
            closed_form_stable_rate: storm.map(|storm| storm.stable_rate()),
            columns: answer.columns.iter().map(column).collect(),
            contradictions: answer.contradictions.iter().map(contradiction).collect(),
            twin,
        }
    }
}
