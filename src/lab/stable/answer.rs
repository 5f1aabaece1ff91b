use serde::Serialize;

use super::advice::{AdviceOutcome, AdviceTry};
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
    /// Why the advice was not tested to the end, if it should have been.
    pub advice_untested: Option<String>,
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
        let predicted = search.predictor.predict(&runs);
        let test = match &predicted {
            Predicted::Found(prediction) => search.test_advice(prediction, &runs),
            _ => None,
        };
        let found = match predicted {
            Predicted::Found(prediction) => Found {
                verification: (search.verify > 0)
                    .then(|| StableSearch::rates(&prediction).map(|rate| search.verify_at(rate, &runs))),
                advice: search
                    .advice(&prediction, &runs)
                    .map(|ShedAdvice { share, duration }| Advice { share, seconds: duration.as_secs_f64() }),
                advice_untested: test.as_ref().filter(|test| test.next.is_some()).map(|_| result.end.explain()),
                advice_tries: test.map(|test| test.tries).unwrap_or_default(),
                prediction,
            },
            Predicted::NotStuck(verdict) => return StableAnswer::NotStuck { verdict },
            Predicted::Impossible(why) => return StableAnswer::Impossible { why },
            Predicted::Run(_) => return StableAnswer::Unanswered { why: result.end.explain(), so_far: None },
        };
        let is_whole = found.verification.is_none_or(|sides| sides.iter().all(|side| side.runs == search.verify));
        match &result.end {
            CampaignEnd::Ended(Ending::Answered) => StableAnswer::Found(found),
            _ if is_whole => StableAnswer::Found(found),
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
            StableAnswer::Found(found) => {
                found.sentence(rate, if found.is_verified() == Some(true) { "verified" } else { "not verified" })
            }
            StableAnswer::NotStuck { verdict } => format!(
                "NOT STUCK at {rate} requests/s: the verdict after the fault was {verdict}. Search with a larger rate \
                 (--rate) or a longer fault (--outage)."
            ),
            StableAnswer::Impossible { why } => format!("INCONCLUSIVE: {why}."),
            StableAnswer::Unanswered { why, so_far } => {
                let so_far =
                    so_far.as_ref().map(|found| format!(" So far: {}", found.sentence(rate, "verified so far")));
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

    fn sentence(&self, rate: f64, verified: &str) -> String {
        let mut text = format!(
            "stable rate {}, by {}",
            self.prediction.stable_rate.to_text("requests/s"),
            self.prediction.method.describe()
        );
        if let Some([below, above]) = self.verification.filter(|sides| sides.iter().any(|side| side.runs > 0)) {
            text += &format!(
                "; {verified}: {} recovered at {}, {} stuck at {}",
                describe_share(below.recovered, below.runs),
                below.rate,
                describe_share(above.stuck, above.runs),
                above.rate
            );
        }
        text += ".";
        if let Some(Advice { share, seconds }) = self.advice {
            text += &format!(
                " If it is stuck at {rate} requests/s: shed {:.0} % of the load for {:.0} s.",
                100.0 * share,
                seconds
            );
        }
        text += &match self.advice_tries.as_slice() {
            [] => String::new(),
            [.., last] if last.outcome == AdviceOutcome::WasNotStuck => {
                " Not tested: the system was not stuck when the shed began.".to_owned()
            }
            [only] if only.outcome == AdviceOutcome::CameBack => " Tested: the system recovered.".to_owned(),
            [.., before, last] if last.outcome == AdviceOutcome::CameBack => {
                format!(" Tested: {:.0} s did not suffice, and {:.0} s did.", before.seconds, last.seconds)
            }
            [.., last] => format!(" Tested: the system did not recover, even after {:.0} s.", last.seconds),
        };
        if let Some(why) = &self.advice_untested {
            text += &format!(" The advice was not tested to the end: {why}.");
        }
        text
    }
}

/// `5 of 5 (65..100 %)`, with Wilson's interval.
fn describe_share(successes: u64, trials: u64) -> String {
    let interval = Proportion::new(successes, trials).map(|share| share.interval(CONFIDENCE));
    let interval = interval.map(|bounds| format!(" ({:.0}..{:.0} %)", 100.0 * bounds.low, 100.0 * bounds.high));
    format!("{successes} of {trials}{}", interval.unwrap_or_default())
}
