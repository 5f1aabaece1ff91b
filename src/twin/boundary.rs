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

/// The shortest outage in seconds that leaves the twin stuck at its rate. `None` if the twin is overloaded without one.
///
/// # Errors
/// [`InvalidSetting`] if a run with another outage is not possible.
pub fn find_tipping_outage(plan: &TwinPlan) -> Result<Option<Boundary>, InvalidSetting> {
    let outcome = |seconds: f64| -> Result<BoundaryOutcome, InvalidSetting> {
        let outage = Some(Time((seconds * 1e9).round() as u64));
        let with_outage = plan.vary(&TwinOverrides { outage, ..TwinOverrides::default() })?;
        Ok(BoundaryOutcome::of(&TwinRun::simulate(&with_outage).judgement.verdict))
    };
    let (shortest, longest) = OUTAGES;
    match outcome(longest)? {
        BoundaryOutcome::Recovers => return Ok(Some(Boundary::Above(longest))),
        BoundaryOutcome::Overloaded => return Ok(None),
        BoundaryOutcome::Stuck => {}
    }
    if outcome(shortest)? != BoundaryOutcome::Recovers {
        return Ok(Some(Boundary::Below(shortest)));
    }
    bisect(shortest, longest, OUTAGE_PRECISION, outcome).map(Some)
}

/// Halves the range in its logarithm until its ends are as close as `precision`.
fn bisect(
    mut low: f64,
    mut high: f64,
    precision: f64,
    outcome: impl Fn(f64) -> Result<BoundaryOutcome, InvalidSetting>,
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
