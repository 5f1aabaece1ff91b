//! Whether the advice helps: a run sheds as it says, and then has the plan's load again.

use serde::Serialize;

use super::cells::StableCells;
use super::observe::{goodput_after_shed, goodput_before_ramp};
use super::prediction::find;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::Request;
use crate::lab::statistics::advice::ShedAdvice;
use crate::units::Time;
use crate::verdict::{BROKEN, HEALTHY};

/// The time of the advice is doubled this many times until the system comes back. Work in the queues of a server is not
/// visible from outside, so the backlog of the clients may be too small.
const MAX_DOUBLINGS: u32 = 3;
/// No test sheds for longer.
const MAX_SHED: Time = Time::from_secs(1200);

/// What testing an advice showed so far.
#[derive(Clone, Debug, PartialEq)]
pub struct AdviceTest {
    pub tries: Vec<AdviceTry>,
    /// The run that is needed next.
    pub next: Option<Request>,
}

/// A run that shed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AdviceTry {
    /// The rate while shedding, in requests/s.
    pub rate: f64,
    /// For how long, in seconds.
    pub seconds: f64,
    pub outcome: AdviceOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviceOutcome {
    /// The system was stuck before, and healthy at the plan's rate after the shed.
    CameBack,
    StillStuck,
    /// The system was not stuck before the shed, so the run tests nothing.
    WasNotStuck,
}

/// Tests `advice`, first as it is and then for longer.
pub fn test_advice(cells: &StableCells, advice: ShedAdvice, runs: &[&RunOutcome]) -> AdviceTest {
    let mut tries = Vec::new();
    for doubling in 0..=MAX_DOUBLINGS {
        let seconds = f64::from(2u32.pow(doubling)) * advice.duration.as_secs_f64();
        let lasts = Time::from_secs(seconds.ceil() as u64);
        if lasts > MAX_SHED {
            break;
        }
        let request = cells.shed((1.0 - advice.share) * cells.rate(), lasts);
        let Some(run) = find(runs, &request.cell) else { return AdviceTest { tries, next: Some(request) } };
        let outcome = match goodput_before_ramp(run) {
            before if before > BROKEN => AdviceOutcome::WasNotStuck,
            _ if goodput_after_shed(run) >= HEALTHY => AdviceOutcome::CameBack,
            _ => AdviceOutcome::StillStuck,
        };
        let rate = request.cell.ramp.map_or(request.cell.rate, |ramp| ramp.from);
        tries.push(AdviceTry { rate, seconds: lasts.as_secs_f64(), outcome });
        if outcome != AdviceOutcome::StillStuck {
            break;
        }
    }
    AdviceTest { tries, next: None }
}
