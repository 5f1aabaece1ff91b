//! Noisy bisection: a search for a boundary with runs whose outcomes may be wrong.
//!
//! The search holds a probability density of where the boundary is, and asks at its median. After each run it
//! multiplies the density by 0.85 ([`TRUST`]) on the side that the outcome points to and by 0.15 on the other:
//! Horstein, "Sequential Transmission Using Noiseless Feedback", IEEE Trans. Inf. Theory 9 (1963); Waeber, Frazier and
//! Henderson, "Bisection Search with Noisy Responses", SIAM J. Control Optim. 51 (2013).
//!
//! At a boundary an outcome is a coin toss, so there the factor changes gradually from 0.85 to 0.15, over a distance
//! that the plan gives ([`BisectionPlan::softness`]): a psychometric function, as in Kontsevich and Tyler, Vision
//! Research 39 (1999). With a step instead, the 90 % interval is too narrow where outcomes change gradually. In 2,000
//! simulated searches of 30..480 it contained the boundary this often:
//!
//! | softness of the system | 0.001 | 0.01 | 0.02 | 0.03 | 0.04 | 0.05 | 0.06 |
//! |---|---|---|---|---|---|---|---|
//! | step | 100 % | 93 % | 83 % | 75 % | 69 % | 63 % | 57 % |
//! | softness 0.015 | 100 % | 100 % | 97 % | 92 % | 85 % | 77 % | 72 % |
//!
//! The median search took 12 to 14 runs with a step and 13 to 15 with the softness 0.015.
//!
//! The boundary is a positive quantity, such as a rate in requests/s or an outage in s. Everything is on a log scale.

mod density;

use serde::{Deserialize, Serialize};

use super::interval::{Confidence, Estimate, Interval};
use density::Density;

/// The assumed probability that an outcome far from the boundary is right.
pub const TRUST: f64 = 0.85;

/// The confidence of the interval whose width ends a search.
pub const SEARCH_CONFIDENCE: Confidence = Confidence::P90;

/// Smaller values would make the density a matter of rounding.
const MIN_STOP_RATIO: f64 = 1.01;
const MIN_PRIOR_SD: f64 = 0.01;
const MIN_SOFTNESS: f64 = 0.001;

/// What a search looks for, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BisectionPlan {
    /// The range that is searched, both above 0.
    pub low: f64,
    pub high: f64,
    pub prior: Prior,
    pub tips: TippingSide,
    /// How gradually outcomes change at the boundary, in natural logarithms: at this distance, 73 % of the outcomes
    /// that can be right are right (a logistic curve), at three times the distance 95 %. 0.02 is 2 %.
    pub softness: f64,
    /// The search ends when the 90 % interval's `high / low` is at most this.
    pub stop_ratio: f64,
    /// It ends after this many runs too.
    pub max_runs: usize,
}

/// What is known of the boundary before the first run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// Every part of the range is as likely as any other, on a log scale.
    Uniform,
    /// The boundary's natural logarithm is normal around that of `median`, with the standard deviation `sd`.
    LogNormal { median: f64, sd: f64 },
}

/// On which side of the boundary the system tips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TippingSide {
    /// Larger values tip: a rate, an outage.
    Above,
    /// Smaller values tip: a memory budget.
    Below,
}

/// A finished run of a search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRun {
    /// Where it ran, in the boundary's unit, above 0.
    pub at: f64,
    /// Whether the system tipped, that is, stayed stuck.
    pub tipped: bool,
}

/// A value that no search can work with.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidSearch {
    #[error(
        "the range {low}..{high} cannot be searched. Both ends must be above 0, and the upper one more than \
         {stop_ratio} times the lower one"
    )]
    Range { low: f64, high: f64, stop_ratio: f64 },
    #[error(
        "a log-normal prior with median {median} and sd {sd} is invalid. The median must be above 0, the sd at \
         least {MIN_PRIOR_SD}"
    )]
    Prior { median: f64, sd: f64 },
    #[error("the softness {0} is invalid. It must be at least {MIN_SOFTNESS}")]
    Softness(f64),
    #[error("the ratio {0} cannot end a search. It must be at least {MIN_STOP_RATIO}")]
    StopRatio(f64),
    #[error("a search needs at least one run")]
    NoRuns,
    #[error("a run at {0} is invalid. It must be above 0")]
    Run(f64),
}

/// What a search does next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchStep {
    /// A run at this value.
    Run(f64),
    /// Nothing: this is the answer.
    Done(SearchAnswer),
}

/// The answer of a finished search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchAnswer {
    /// The boundary, as precisely as the plan wants it.
    Found(Estimate),
    /// The boundary, after the last run that the plan allows: the interval is wider than the plan wants it.
    Imprecise(Estimate),
    /// Every run tipped: the boundary is not inside the range, or at the very end of it where nothing tips.
    AlwaysTipped,
    /// No run tipped.
    NeverTipped,
}

/// A search: its plan, and its runs so far. It is saved as these alone, because the density follows from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SavedBisection", into = "SavedBisection")]
pub struct Bisection {
    plan: BisectionPlan,
    runs: Vec<SearchRun>,
    density: Density,
}

/// A search as it is saved.
#[derive(Clone, Serialize, Deserialize)]
struct SavedBisection {
    plan: BisectionPlan,
    runs: Vec<SearchRun>,
}

impl BisectionPlan {
    /// A search of the range `low..high` for a boundary above which the system tips: uniform prior, softness 0.015,
    /// until the ratio is 1.10 or 20 runs are done.
    pub fn above(low: f64, high: f64) -> BisectionPlan {
        let (prior, tips) = (Prior::Uniform, TippingSide::Above);
        BisectionPlan { low, high, prior, tips, softness: 0.015, stop_ratio: 1.1, max_runs: 20 }
    }

    fn check(&self) -> Result<(), InvalidSearch> {
        let BisectionPlan { low, high, stop_ratio, max_runs, .. } = *self;
        if !(stop_ratio.is_finite() && stop_ratio >= MIN_STOP_RATIO) {
            return Err(InvalidSearch::StopRatio(stop_ratio));
        }
        if !(is_positive(low) && is_positive(high) && high / low > stop_ratio) {
            return Err(InvalidSearch::Range { low, high, stop_ratio });
        }
        match self.prior {
            Prior::LogNormal { median, sd } if !(is_positive(median) && is_positive(sd) && sd >= MIN_PRIOR_SD) => {
                return Err(InvalidSearch::Prior { median, sd });
            }
            _ => {}
        }
        if !(is_positive(self.softness) && self.softness >= MIN_SOFTNESS) {
            return Err(InvalidSearch::Softness(self.softness));
        }
        if max_runs == 0 { Err(InvalidSearch::NoRuns) } else { Ok(()) }
    }
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

impl Bisection {
    pub fn new(plan: BisectionPlan) -> Result<Bisection, InvalidSearch> {
        plan.check()?;
        Ok(Bisection { plan, runs: Vec::new(), density: Density::of(&plan) })
    }

    pub const fn plan(&self) -> &BisectionPlan {
        &self.plan
    }

    /// The runs so far, in the order in which they were added.
    pub fn runs(&self) -> &[SearchRun] {
        &self.runs
    }

    /// Adds a run, at the value that [`Bisection::next_step`] named or at any other.
    pub fn add(&mut self, run: SearchRun) -> Result<(), InvalidSearch> {
        if !is_positive(run.at) {
            return Err(InvalidSearch::Run(run.at));
        }
        // A run that tipped is above the boundary where larger values tip, and below it where smaller values do.
        let boundary_is_below = run.tipped == (self.plan.tips == TippingSide::Above);
        self.density.update(run.at, if boundary_is_below { TRUST } else { 1.0 - TRUST }, self.plan.softness);
        self.runs.push(run);
        Ok(())
    }

    /// The boundary as known so far: the density's median and its 90 % credible interval.
    pub fn estimate(&self) -> Estimate {
        let tail = (1.0 - SEARCH_CONFIDENCE.as_share()) / 2.0;
        let [low, value, high] = [tail, 0.5, 1.0 - tail].map(|share| self.density.quantile(share));
        Estimate { value, interval: Interval { low, high, confidence: SEARCH_CONFIDENCE } }
    }

    /// The value below which the boundary is with the probability `share`, as far as known.
    pub fn quantile(&self, share: f64) -> f64 {
        self.density.quantile(share)
    }

    /// Where to run next, or the answer.
    pub fn next_step(&self) -> SearchStep {
        let estimate = self.estimate();
        let precise = estimate.interval.ratio() <= self.plan.stop_ratio && !self.runs.is_empty();
        if !precise && self.runs.len() < self.plan.max_runs {
            return SearchStep::Run(estimate.value);
        }
        SearchStep::Done(match self.runs.iter().filter(|run| run.tipped).count() {
            0 => SearchAnswer::NeverTipped,
            tipped if tipped == self.runs.len() => SearchAnswer::AlwaysTipped,
            _ if precise => SearchAnswer::Found(estimate),
            _ => SearchAnswer::Imprecise(estimate),
        })
    }

    /// The density, for a figure: the middle of each of its cells, and the probability that the boundary is in it.
    pub fn density(&self) -> impl Iterator<Item = (f64, f64)> {
        self.density.cells()
    }
}

impl TryFrom<SavedBisection> for Bisection {
    type Error = InvalidSearch;

    fn try_from(saved: SavedBisection) -> Result<Bisection, InvalidSearch> {
        let mut search = Bisection::new(saved.plan)?;
        saved.runs.into_iter().try_for_each(|run| search.add(run))?;
        Ok(search)
    }
}

impl From<Bisection> for SavedBisection {
    fn from(search: Bisection) -> SavedBisection {
        SavedBisection { plan: search.plan, runs: search.runs }
    }
}

#[cfg(test)]
mod tests;
