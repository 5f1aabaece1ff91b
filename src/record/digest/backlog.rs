use serde::{Deserialize, Serialize};

use super::{MAX_COUNT, as_ns};
use crate::units::{Instant, Time};

/// The instants at which a backlog is counted: `count` edges from `from` on, `step` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacklogSteps {
    pub from: Instant,
    #[serde(rename = "step_ns", with = "as_ns")]
    pub step: Time,
    pub count: u32,
}

/// The backlog over time: requests due and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    steps: BacklogSteps,
    /// The change of the backlog up to each edge.
    changes: Vec<i64>,
}

impl Backlog {
    pub fn new(steps: BacklogSteps) -> Backlog {
        Backlog { steps, changes: vec![0; steps.count as usize + 1] }
    }

    /// A backlog with these changes; `None` if there cannot be such changes.
    pub fn with_changes(steps: BacklogSteps, changes: Vec<i64>) -> Option<Backlog> {
        let is_whole = changes.len() == steps.count as usize + 1;
        let is_possible = changes.iter().all(|change| change.unsigned_abs() <= MAX_COUNT);
        (is_whole && is_possible).then_some(Backlog { steps, changes })
    }

    pub fn changes(&self) -> &[i64] {
        &self.changes
    }

    /// A request is due. It enters at the first edge at or after its due time.
    #[inline]
    pub fn enter(&mut self, due: Instant) {
        self.change(due, 1);
    }

    /// A request has ended. It leaves at the first edge at or after its end.
    #[inline]
    pub fn leave(&mut self, ended: Instant) {
        self.change(ended, -1);
    }

    #[inline]
    fn change(&mut self, at: Instant, by: i64) {
        let edge = at.since(self.steps.from).0.div_ceil(self.steps.step.0.max(1));
        if edge <= u64::from(self.steps.count) {
            self.changes[edge as usize] += by;
        }
    }

    /// Adds the requests of another backlog over the same steps.
    pub fn merge(&mut self, other: &Backlog) {
        self.changes.iter_mut().zip(&other.changes).for_each(|(change, by)| *change += by);
    }

    /// The backlog at each edge, as points of (seconds on the run's clock, requests).
    pub fn points(&self) -> Vec<(f64, f64)> {
        let running = self.changes.iter().scan(0i64, |sum, by| {
            *sum += by;
            Some(*sum as f64)
        });
        let at = |edge: usize| self.steps.from.plus(self.steps.step.times(edge as u64)).as_secs_f64();
        running.enumerate().map(|(edge, backlog)| (at(edge), backlog)).collect()
    }
}
