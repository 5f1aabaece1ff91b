//! Where the boundary lies between a twin that recovers and one that is stuck, by many simulated runs.

use super::plan::{TwinOverrides, TwinPlan};
use super::run::TwinRun;
use crate::plan::InvalidSetting;
use crate::units::Time;
use crate::verdict::Verdict;

/// What a simulated run showed of the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundaryOutcome {
    /// It recovered, or its backlog shrank to the end.
    Recovers,
    Stuck,
    /// It was not healthy before the outage.
    Overloaded,
}

impl BoundaryOutcome {
    pub fn of(verdict: &Verdict) -> BoundaryOutcome {
        match verdict {
            Verdict::Stable | Verdict::Unaffected | Verdict::Recovered(_) | Verdict::Draining { .. } => {
                BoundaryOutcome::Recovers
            }
            Verdict::Metastable | Verdict::Degraded | Verdict::Oscillating { .. } => BoundaryOutcome::Stuck,
            Verdict::Overloaded | Verdict::Invalid(_) => BoundaryOutcome::Overloaded,
        }
    }
}

/// A boundary of a twin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Boundary {
    /// It lies between these two values, of which the first recovers and the second does not.
    Between(f64, f64),
    /// Every value up to this one recovers.
    Above(f64),
    /// Every value down to this one is stuck.
    Below(f64),
}

impl Boundary {
    /// The middle of the two values between which it lies.
    pub fn value(self) -> Option<f64> {
        match self {
            Boundary::Between(low, high) => Some((low * high).sqrt()),
            Boundary::Above(_) | Boundary::Below(_) => None,
        }
    }
}

/// How close the two values are in the end, as a ratio.
const STABLE_RATE_PRECISION: f64 = 1.01;
const OUTAGE_PRECISION: f64 = 1.02;
/// The ratio of the steps by which the search for the stable rate leaves the rate of the twin.
const STEP: f64 = 1.5;
/// The steps that it takes in one direction.
const MAX_STEPS: i32 = 12;
/// A system near its stable rate recovers slowly: it has at least this long.
const OBSERVE: Time = Time::from_secs(300);
/// The range of outages.
const OUTAGES: (f64, f64) = (0.01, 60.0);

/// The stable rate in requests/s: below it the twin recovers from its outage, above it the twin is stuck. `None` for a twin
/// without an outage.
///
/// # Errors
/// [`InvalidSetting`] if a run at another rate is not possible.
pub fn find_stable_rate(plan: &TwinPlan) -> Result<Option<Boundary>, InvalidSetting> {
    if plan.outage().is_none() {
        return Ok(None);
    }
    let observe = Some(OBSERVE.max(plan.experiment().phases().observe));
    let outcome = |rate: f64| -> Result<BoundaryOutcome, InvalidSetting> {
        let at_rate = plan.vary(&TwinOverrides { rate: Some(rate), observe, ..TwinOverrides::default() })?;
        Ok(BoundaryOutcome::of(&TwinRun::simulate(&at_rate).judgement.verdict))
    };
    let rate = plan.rate();
    let recovers = outcome(rate)? == BoundaryOutcome::Recovers;
    let (mut low, mut high) = (rate, rate);
    for step in 1..=MAX_STEPS {
        if recovers {
            high = rate * STEP.powi(step);
            // A rate may be too high to be simulated.
            let Ok(found) = outcome(high) else { break };
            if found != BoundaryOutcome::Recovers {
                return bisect(low, high, STABLE_RATE_PRECISION, outcome).map(Some);
            }
            low = high;
        } else {
            low = rate / STEP.powi(step);
            if outcome(low)? == BoundaryOutcome::Recovers {
                return bisect(low, high, STABLE_RATE_PRECISION, outcome).map(Some);
            }
            high = low;
        }
    }
    Ok(Some(if recovers { Boundary::Above(low) } else { Boundary::Below(high) }))
}

/// Where the shortest outage is searched that leaves a twin stuck. Outages are in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutageSearch {
    /// The range, both ends above 0.
    pub shortest: f64,
    pub longest: f64,
    /// How close the two outages are in the end between which the boundary lies, as a ratio.
    pub precision: f64,
    /// Where the boundary probably is. The search needs fewer runs then.
    pub guess: Option<f64>,
}

impl Default for OutageSearch {
    fn default() -> OutageSearch {
        let (shortest, longest) = OUTAGES;
        OutageSearch { shortest, longest, precision: OUTAGE_PRECISION, guess: None }
    }
}

/// A guess is probably wrong by less than this factor.
const GUESS: f64 = 1.2;

impl OutageSearch {
    /// The shortest outage that leaves the twin stuck at its rate. `None` if the twin is overloaded without one.
    ///
    /// `record` gets each simulated run: its outage, and its verdict.
    ///
    /// # Errors
    /// [`InvalidSetting`] if a run with another outage is not possible.
    pub fn run(
        &self,
        plan: &TwinPlan,
        mut record: impl FnMut(Time, &Verdict),
    ) -> Result<Option<Boundary>, InvalidSetting> {
        let mut outcome = |seconds: f64| -> Result<BoundaryOutcome, InvalidSetting> {
            let outage = Time((seconds * 1e9).round() as u64);
            let with_outage = plan.vary(&TwinOverrides { outage: Some(outage), ..TwinOverrides::default() })?;
            let verdict = TwinRun::simulate(&with_outage).judgement.verdict;
            record(outage, &verdict);
            Ok(BoundaryOutcome::of(&verdict))
        };
        let OutageSearch { shortest, longest, precision, guess } = *self;
        let within = |outage: f64| outage.clamp(shortest, longest);
        let mut low = within(guess.map_or(shortest, |guess| guess / GUESS));
        let mut high = within(guess.map_or(longest, |guess| guess * GUESS));
        // Each step outwards is twice as long as the one before.
        let mut step = GUESS * GUESS;
        let mut is_above_low = false;
        loop {
            match outcome(high)? {
                BoundaryOutcome::Overloaded => return Ok(None),
                BoundaryOutcome::Stuck => break,
                BoundaryOutcome::Recovers if high >= longest => return Ok(Some(Boundary::Above(longest))),
                BoundaryOutcome::Recovers => {
                    (low, high, is_above_low) = (high, within(high * step), true);
                    step *= step;
                }
            }
        }
        while !is_above_low {
            is_above_low = outcome(low)? == BoundaryOutcome::Recovers;
            if !is_above_low && low <= shortest {
                return Ok(Some(Boundary::Below(shortest)));
            }
            if !is_above_low {
                (low, high) = (within(low / step), low);
                step *= step;
            }
        }
        bisect(low, high, precision, outcome).map(Some)
    }
}

/// The shortest outage in seconds that leaves the twin stuck at its rate, from 10 ms to 60 s. `None` if the twin is
/// overloaded without one.
///
/// # Errors
/// [`InvalidSetting`] if a run with another outage is not possible.
pub fn find_tipping_outage(plan: &TwinPlan) -> Result<Option<Boundary>, InvalidSetting> {
    OutageSearch::default().run(plan, |_, _| {})
}

/// Halves the range in its logarithm until its ends are as close as `precision`.
fn bisect(
    mut low: f64,
    mut high: f64,
    precision: f64,
    mut outcome: impl FnMut(f64) -> Result<BoundaryOutcome, InvalidSetting>,
) -> Result<Boundary, InvalidSetting> {
    while high / low > precision {
        let middle = (low * high).sqrt();
        match outcome(middle)? {
            BoundaryOutcome::Recovers => low = middle,
            BoundaryOutcome::Stuck | BoundaryOutcome::Overloaded => high = middle,
        }
    }
    Ok(Boundary::Between(low, high))
}
