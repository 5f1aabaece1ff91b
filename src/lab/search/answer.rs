//! What a search says, in a sentence and as data.

use serde::Serialize;

use super::strategy::{Search, Searched, to_outage};
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, valid_runs};
use crate::lab::statistics::bisection::{Bisection, BisectionPlan, SearchAnswer, SearchStep};
use crate::lab::statistics::interval::Estimate;
use crate::report::html::Tone;
use crate::verdict::Verdict;

/// The answer of a search.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundaryAnswer {
    Found(Estimate),
    /// After the last run that was allowed, the interval is wider than asked.
    Imprecise(Estimate),
    /// No run tipped, not even at the upper end of the range.
    NeverTipped,
    /// Every run tipped, even at the lower end of the range.
    AlwaysTipped,
    /// The system was not healthy before the faults, so that none was applied; or not at the smallest rate.
    Overloaded,
    /// The system was healthy in an earlier run, and later runs found it broken at their start.
    StaysBroken,
    /// The campaign ended before the question was answered: why, and what is known so far if runs differ.
    Unanswered {
        why: String,
        so_far: Option<Estimate>,
    },
}

impl BoundaryAnswer {
    pub fn of(search: &Search, result: &CampaignResult) -> BoundaryAnswer {
        let after = search.after(&valid_runs(&result.runs));
        match after.next_step() {
            SearchStep::Done(SearchAnswer::Found(estimate)) => BoundaryAnswer::Found(estimate),
            SearchStep::Done(SearchAnswer::Imprecise(estimate)) => BoundaryAnswer::Imprecise(estimate),
            SearchStep::Done(SearchAnswer::NeverTipped) => BoundaryAnswer::NeverTipped,
            SearchStep::Done(SearchAnswer::AlwaysTipped) => BoundaryAnswer::AlwaysTipped,
            SearchStep::Run(_) => match &result.end {
                CampaignEnd::Ended(Ending::Permanent) => BoundaryAnswer::StaysBroken,
                CampaignEnd::Ended(Ending::Invalid { .. })
                    if result.runs.last().is_some_and(RunOutcome::began_unhealthy) =>
                {
                    BoundaryAnswer::Overloaded
                }
                end => BoundaryAnswer::Unanswered { why: end.explain(), so_far: estimate_between(after.bisection()) },
            },
        }
    }

    /// The answer in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            BoundaryAnswer::Found(_) => "FOUND",
            BoundaryAnswer::Imprecise(_) => "IMPRECISE",
            BoundaryAnswer::NeverTipped => "ABOVE THE RANGE",
            BoundaryAnswer::AlwaysTipped => "BELOW THE RANGE",
            BoundaryAnswer::Overloaded => "OVERLOADED",
            BoundaryAnswer::StaysBroken => "PERMANENT",
            BoundaryAnswer::Unanswered { .. } => "UNANSWERED",
        }
    }

    /// The exit code with `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self {
            BoundaryAnswer::Found(_) => 0,
            BoundaryAnswer::Overloaded => Verdict::Overloaded.exit_code(),
            BoundaryAnswer::StaysBroken => 15,
            BoundaryAnswer::Imprecise(_) => 17,
            BoundaryAnswer::NeverTipped | BoundaryAnswer::AlwaysTipped => 19,
            BoundaryAnswer::Unanswered { .. } => Verdict::Invalid(Vec::new()).exit_code(),
        }
    }

    /// What the answer means for the reader.
    pub fn tone(&self) -> Tone {
        match self {
            BoundaryAnswer::Found(_) => Tone::Good,
            BoundaryAnswer::Imprecise(_) | BoundaryAnswer::NeverTipped | BoundaryAnswer::AlwaysTipped => Tone::Doubtful,
            BoundaryAnswer::Overloaded | BoundaryAnswer::StaysBroken => Tone::Bad,
            BoundaryAnswer::Unanswered { .. } => Tone::Unknown,
        }
    }

    /// The boundary, as far as it is known.
    pub fn estimate(&self) -> Option<Estimate> {
        match self {
            BoundaryAnswer::Found(estimate) | BoundaryAnswer::Imprecise(estimate) => Some(*estimate),
            BoundaryAnswer::Unanswered { so_far, .. } => *so_far,
            _ => None,
        }
    }

    /// The answer in a sentence or two.
    pub fn sentence(&self, search: &Search, bisection: &Bisection) -> String {
        let (rate, runs) = (search.rate(), bisection.runs().len());
        let BisectionPlan { low, high, stop_ratio, .. } = *bisection.plan();
        let places = || bisection.runs().iter().map(|run| run.at);
        let found = |estimate: &Estimate| match search.searched() {
            Searched::Outage => format!(
                "shortest outage that tips the system: {}, at {rate} requests/s, by {runs} runs.",
                estimate.to_text("s")
            ),
            Searched::Rate => format!(
                "largest rate that the system carries without a fault: {}, by {runs} runs.",
                estimate.to_text("requests/s")
            ),
        };
        match (self, search.searched()) {
            (BoundaryAnswer::Found(estimate), _) => found(estimate),
            (BoundaryAnswer::Imprecise(estimate), _) => {
                let found = found(estimate);
                format!("{found} The interval is wider than a ratio of {stop_ratio}. Allow more runs (--max-runs).")
            }
            (BoundaryAnswer::NeverTipped, Searched::Outage) => {
                let longest = places().fold(0.0, f64::max);
                format!("no outage up to {} tips the system at {rate} requests/s, by {runs} runs.", to_outage(longest))
            }
            (BoundaryAnswer::NeverTipped, Searched::Rate) => format!(
                "the system carries {high} requests/s, the largest rate of the search, by {runs} runs. Search larger ones \
                 (--between)."
            ),
            (BoundaryAnswer::AlwaysTipped, Searched::Outage) => format!(
                "even an outage of {} tips the system at {rate} requests/s, by {runs} runs. Search shorter ones (--between).",
                to_outage(places().fold(f64::INFINITY, f64::min))
            ),
            (BoundaryAnswer::AlwaysTipped, Searched::Rate) => format!(
                "the system does not carry {low} requests/s, the smallest rate of the search, by {runs} runs. Search \
                 smaller ones (--between)."
            ),
            (BoundaryAnswer::Overloaded, Searched::Rate) => format!(
                "the system does not carry {low} requests/s, the smallest rate of the search, at which each run begins. \
                 Search smaller ones (--between)."
            ),
            (BoundaryAnswer::Overloaded, Searched::Outage) => format!(
                "the system does not carry {rate} requests/s without a fault, so no outage was tried. `metawrk search rate` \
                 finds a rate that it carries (--rate)."
            ),
            (BoundaryAnswer::StaysBroken, Searched::Outage) => {
                "the system was healthy in an earlier run, and was broken before the fault of later runs.".to_owned()
            }
            (BoundaryAnswer::StaysBroken, Searched::Rate) => {
                "the system was healthy in an earlier run, and was broken at \
                 the start of later runs, at a rate that it had carried or at the smallest one."
                    .to_owned()
            }
            (BoundaryAnswer::Unanswered { why, so_far }, _) => {
                let so_far = so_far.as_ref().map(|estimate| format!(" So far: {}", found(estimate)));
                format!("no answer: {why}.{}", so_far.unwrap_or_default())
            }
        }
    }
}

/// The estimate, if some runs tipped and others did not.
fn estimate_between(bisection: &Bisection) -> Option<Estimate> {
    let tipped = bisection.runs().iter().filter(|run| run.tipped).count();
    (tipped > 0 && tipped < bisection.runs().len()).then(|| bisection.estimate())
}

/// What `campaign.json` says of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchDetails {
    /// What is searched: in seconds, or in requests/s.
    pub searched: Searched,
    /// Requests per second of the plan.
    pub rate: f64,
    pub search: BisectionPlan,
    /// `None` if the runs do not tell.
    pub estimate: Option<Estimate>,
    /// The posterior: the boundary is below `value` with the probability `share`.
    pub quantiles: Vec<Quantile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    pub share: f64,
    pub value: f64,
}

impl SearchDetails {
    pub fn new(answer: &BoundaryAnswer, search: &Search, bisection: &Bisection) -> SearchDetails {
        let quantile = |share| Quantile { share, value: bisection.quantile(share) };
        SearchDetails {
            searched: search.searched(),
            rate: search.rate(),
            search: *bisection.plan(),
            estimate: answer.estimate(),
            quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map(quantile).into(),
        }
    }
}
