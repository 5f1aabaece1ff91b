use serde::Serialize;

use super::advice::AdviceTry;
use super::prediction::{CONFIDENCE, Predicted, Prediction};
use super::strategy::{StableSearch, Verification};
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, valid_runs};
use crate::lab::statistics::advice::ShedAdvice;
use crate::lab::statistics::wilson::Proportion;

/// The answer of `metawrk search stable`.
#[derive(Clone, Debug, PartialEq)]
pub enum StableAnswer {
    Found(Found),
    /// The system was not stuck after the plan's fault. The verdict of that run.
    NotStuck {
        verdict: String,
    },
    /// No method has a result: why.
    Impossible {
        why: String,
    },
    /// The campaign ended before the question was answered: why, and what is known.
    Unanswered {
        why: String,
        so_far: Option<Found>,
    },
}

/// A stable rate, and how it was verified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    #[serde(flatten)]
    pub prediction: Prediction,
    /// Below and above the prediction. `None` if no run was to verify it.
    pub verification: Option<[Verification; 2]>,
    /// The load to shed at the plan's rate.
    pub advice: Option<Advice>,
    /// Runs that shed as the advice says, with longer and longer times.
    pub advice_tries: Vec<AdviceTry>,
}

/// [`ShedAdvice`] for a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// The share of the requests to shed, from 0 to 1.
    pub share: f64,
    pub seconds: f64,
}

impl StableAnswer {
    pub fn of(search: &StableSearch, result: &CampaignResult) -> StableAnswer {
        let runs = valid_runs(&result.runs);
        let found = match search.predictor.predict(&runs) {
            Predicted::Found(prediction) => Found {
                verification: (search.verify > 0)
                    .then(|| StableSearch::rates(&prediction).map(|rate| search.verify_at(rate, &runs))),
                advice: search
                    .advice(&prediction, &runs)
                    .map(|ShedAdvice { share, duration }| Advice { share, seconds: duration.as_secs_f64() }),
                advice_tries: search.test_advice(&prediction, &runs).map(|test| test.tries).unwrap_or_default(),
                prediction,
            },
            Predicted::NotStuck(verdict) => return StableAnswer::NotStuck { verdict },
            Predicted::Impossible(why) => return StableAnswer::Impossible { why },
            Predicted::Run(_) => return StableAnswer::Unanswered { why: result.end.explain(), so_far: None },
        };
        match &result.end {
            CampaignEnd::Ended(Ending::Answered) => StableAnswer::Found(found),
            end => StableAnswer::Unanswered { why: end.explain(), so_far: Some(found) },
        }
    }

    /// The answer in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            StableAnswer::Found(found) => match found.is_verified() {
                None => "PREDICTED",
                Some(true) => "VERIFIED",
                Some(false) => "NOT VERIFIED",
            },
            StableAnswer::NotStuck { .. } => "NOT STUCK",
            StableAnswer::Impossible { .. } => "INCONCLUSIVE",
            StableAnswer::Unanswered { .. } => "UNANSWERED",
        }
    }

    /// The exit code with `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self.name() {
            "PREDICTED" | "VERIFIED" => 0,
            "NOT VERIFIED" | "INCONCLUSIVE" => 17,
            "NOT STUCK" => 18,
            _ => 20,
        }
    }

    /// What is known of the stable rate.
    pub fn found(&self) -> Option<&Found> {
        match self {
            StableAnswer::Found(found) => Some(found),
            StableAnswer::Unanswered { so_far, .. } => so_far.as_ref(),
            StableAnswer::NotStuck { .. } | StableAnswer::Impossible { .. } => None,
        }
    }

    /// The answer in a sentence or two. `rate` is the plan's, in requests/s.
    pub fn sentence(&self, rate: f64) -> String {
        match self {
            StableAnswer::Found(found) => found.sentence(rate),
            StableAnswer::NotStuck { verdict } => format!(
                "NOT STUCK at {rate} requests/s: the verdict after the fault was {verdict}. Search with a larger rate \
                 (--rate) or a longer fault (--outage)."
            ),
            StableAnswer::Impossible { why } => format!("INCONCLUSIVE: {why}."),
            StableAnswer::Unanswered { why, so_far } => {
                let so_far = so_far.as_ref().map(|found| format!(" So far: {}", found.sentence(rate)));
                format!("UNANSWERED: {why}.{}", so_far.unwrap_or_default())
            }
        }
    }
}

impl Found {
    /// Whether, by Wilson's interval, most systems recover below the prediction and are stuck above it. `None` without
    /// runs that would tell.
    pub fn is_verified(&self) -> Option<bool> {
        let most = |successes, trials| {
            Proportion::new(successes, trials).is_ok_and(|share| share.interval(CONFIDENCE).low > 0.5)
        };
        self.verification.map(|[below, above]| most(below.recovered, below.runs) && most(above.stuck, above.runs))
    }

    fn sentence(&self, rate: f64) -> String {
        let mut text = format!(
            "stable rate {}, by {}",
            self.prediction.stable_rate.to_text("requests/s"),
            self.prediction.method.describe()
        );
        if let Some([below, above]) = self.verification.filter(|sides| sides.iter().any(|side| side.runs > 0)) {
            let verified = if self.is_verified() == Some(true) { "verified" } else { "not verified" };
            text += &format!(
                "; {verified}: {} of {} recovered at {}, {} of {} stuck at {}",
                below.recovered, below.runs, below.rate, above.stuck, above.runs, above.rate
            );
        }
        text += ".";
        if let Some(Advice { share, seconds }) = self.advice {
            text += &format!(
                " At {rate} requests/s: shed {:.0} % for {:.0} s to get out.",
                100.0 * share,
                seconds.max(1.0)
            );
        }
        text += &match self.advice_tries.as_slice() {
            [] => String::new(),
            [only] if only.came_back => " Tested: the system came back.".to_owned(),
            [first, .., last] if last.came_back => {
                format!(" Tested: {:.0} s did not suffice, and {:.0} s did.", first.seconds, last.seconds)
            }
            [.., last] => format!(" Tested: the system did not come back, even after {:.0} s.", last.seconds),
        };
        text
    }
}
