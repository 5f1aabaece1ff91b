//! What `metawrk twin run` says.

use serde::Serialize;

use super::boundary::{Boundary, find_stable_rate, find_tipping_outage};
use super::plan::TwinPlan;
use super::run::TwinRun;
use crate::plan::InvalidSetting;
use crate::stats::ratio;
use crate::units::format_three_digits;

/// A simulated run, and the boundaries of its twin. Serialized, it is the file of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwinAnswer {
    pub schema: u32,
    pub name: String,
    /// In requests/s.
    pub rate: f64,
    /// `None` without an outage.
    pub outage_s: Option<f64>,
    pub seed: u64,
    pub verdict: String,
    pub exit_code: u8,
    /// Why: a sentence or two each.
    pub because: Vec<String>,
    /// From the end of the outage to the recovery.
    pub recovery_s: Option<f64>,
    pub baseline_goodput: Option<f64>,
    /// The median of the last window.
    pub last_goodput: Option<f64>,
    pub attempts_per_request: f64,
    /// Attempts that the system refused, and attempts that clients abandoned.
    pub refused: u64,
    pub abandoned: u64,
    pub in_flight_max: usize,
    pub queue_max: u32,
    /// In requests/s. `None` without an outage.
    pub stable_rate: Option<BoundaryRange>,
    /// `None` if the system is overloaded without an outage.
    pub tipping_outage_s: Option<BoundaryRange>,
}

/// Where a boundary lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BoundaryRange {
    /// `None` if the boundary was not found.
    pub value: Option<f64>,
    /// The system recovers here. `None` if it recovered nowhere.
    pub low: Option<f64>,
    /// The system is stuck here. `None` if it was stuck nowhere.
    pub high: Option<f64>,
}

impl From<Boundary> for BoundaryRange {
    fn from(boundary: Boundary) -> BoundaryRange {
        let (low, high) = match boundary {
            Boundary::Between(low, high) => (Some(low), Some(high)),
            Boundary::Above(low) => (Some(low), None),
            Boundary::Below(high) => (None, Some(high)),
        };
        BoundaryRange { value: boundary.value(), low, high }
    }
}

impl TwinAnswer {
    /// Simulates a run of `plan`, and searches for its boundaries.
    ///
    /// # Errors
    /// [`InvalidSetting`] if a run at another rate, or with another outage, is not possible.
    pub fn of(plan: &TwinPlan) -> Result<TwinAnswer, InvalidSetting> {
        let run = TwinRun::simulate(plan);
        // Without a constant rate there is no other rate to compare with.
        let has_rate = plan.settings().load.profile.is_none();
        let stable_rate = if has_rate { find_stable_rate(plan)? } else { None };
        Ok(TwinAnswer::new(plan, &run, stable_rate, find_tipping_outage(plan)?))
    }

    fn new(plan: &TwinPlan, run: &TwinRun, stable_rate: Option<Boundary>, outage: Option<Boundary>) -> TwinAnswer {
        let text = run.judgement.explain(plan.experiment());
        TwinAnswer {
            schema: 1,
            name: plan.name().to_owned(),
            rate: plan.rate(),
            outage_s: plan.outage().map(|outage| outage.to.since(outage.from).as_secs_f64()),
            seed: plan.settings().load.seed,
            verdict: text.name,
            exit_code: text.exit_code,
            because: text.because,
            recovery_s: text.tau_ns.map(|ns| ns as f64 / 1e9),
            baseline_goodput: text.baseline_goodput,
            last_goodput: run.judgement.evidence.last_goodput,
            attempts_per_request: ratio(run.counts.sent as f64, run.requests.len() as f64),
            refused: run.counts.refused,
            abandoned: run.counts.abandoned,
            in_flight_max: run.counts.in_flight_max,
            queue_max: run.counts.queue_max,
            stable_rate: stable_rate.map(BoundaryRange::from),
            tipping_outage_s: outage.map(BoundaryRange::from),
        }
    }

    /// The answer in a few lines.
    pub fn to_text(&self) -> String {
        let rate = format_three_digits(self.rate);
        let outage = match self.outage_s {
            Some(seconds) => format!("an outage of {} s", format_three_digits(seconds)),
            None => "no outage".to_owned(),
        };
        let mut text = format!("{} at {rate} requests/s with {outage}, simulated: {}\n", self.name, self.verdict);
        self.because.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text.push_str(&format!(
            "Attempts per request: {}; {} refused, {} abandoned; at most {} in flight and {} in the queue.\n\n",
            format_three_digits(self.attempts_per_request),
            self.refused,
            self.abandoned,
            self.in_flight_max,
            self.queue_max
        ));
        text.push_str(&self.describe_stable_rate());
        text.push_str(&self.describe_tipping_outage());
        text
    }

    fn describe_stable_rate(&self) -> String {
        let Some(BoundaryRange { value, low, high }) = self.stable_rate else { return String::new() };
        match [value, low, high].map(|rate| rate.map(format_three_digits)) {
            [Some(rate), ..] => {
                format!("Stable rate {rate} requests/s: below it the system recovers from this outage, above it not.\n")
            }
            [None, Some(low), _] => {
                format!("The system recovers from this outage at every rate up to {low} requests/s.\n")
            }
            [None, None, high] => {
                let high = high.unwrap_or_default();
                format!("The system recovers from this outage at no rate down to {high} requests/s.\n")
            }
        }
    }

    fn describe_tipping_outage(&self) -> String {
        let rate = format_three_digits(self.rate);
        let Some(BoundaryRange { value, low, high }) = self.tipping_outage_s else {
            return format!("The system does not carry {rate} requests/s without an outage.\n");
        };
        match [value, low, high].map(|seconds| seconds.map(format_three_digits)) {
            [Some(outage), ..] => format!("Shortest outage that tips it at {rate} requests/s: {outage} s.\n"),
            [None, Some(low), _] => format!("At {rate} requests/s no outage up to {low} s tips it.\n"),
            [None, None, high] => format!("At {rate} requests/s even {} s tips it.\n", high.unwrap_or_default()),
        }
    }
}
