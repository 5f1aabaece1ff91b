//! Whether the advice helps: a run sheds as it says, and then has the plan's load again.

use serde::Serialize;

use super::cells::StableCells;
use super::observe::goodput_at_end;
use super::prediction::find;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::Request;
use crate::lab::statistics::advice::ShedAdvice;
use crate::units::Time;
use crate::verdict::HEALTHY;

/// The time of the advice is doubled this many times until the system comes back. Work in the queues of a server is not
/// visible from outside, so the backlog of the clients may be too small.
const MAX_DOUBLINGS: u32 = 3;
/// The shortest time without much load that is tried.
const MIN_SHED: Time = Time::from_secs(5);

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
    /// After it the system was healthy at the plan's rate.
    pub came_back: bool,
}

/// Tests `advice`, first as it is and then for longer.
pub fn test_advice(cells: &StableCells, advice: ShedAdvice, runs: &[&RunOutcome]) -> AdviceTest {
    let mut tries = Vec::new();
    for doubling in 0..=MAX_DOUBLINGS {
        let seconds = f64::from(2u32.pow(doubling)) * advice.duration.max(MIN_SHED).as_secs_f64();
        let lasts = Time::from_secs(seconds.ceil() as u64);
        let request = cells.shed((1.0 - advice.share) * cells.rate(), lasts);
        let Some(run) = find(runs, &request.cell) else { return AdviceTest { tries, next: Some(request) } };
        let came_back = goodput_at_end(run) >= HEALTHY;
        let rate = request.cell.ramp.map_or(request.cell.rate, |ramp| ramp.from);
        tries.push(AdviceTry { rate, seconds: lasts.as_secs_f64(), came_back });
        if came_back {
            break;
        }
    }
    AdviceTest { tries, next: None }
}
