//! What a run showed: a pure function of its plan, records and events. It reads no clock and does no I/O.
//!
//! The first rule that matches decides:
//!
//! | verdict | when |
//! |---|---|
//! | INVALID | the run proves nothing: see [`InvalidReason`] |
//! | STABLE, OVERLOADED | the plan has no fault: the system was healthy to the end, or not |
//! | UNAFFECTED | goodput never fell below 0.9 g0 |
//! | RECOVERED | within H after the fault, goodput was at least 0.9 g0 for 10 s, and no bin of the next 30 s was below 0.5 g0 |
//! | OSCILLATING | goodput moved between 0.5 g0 and 0.9 g0 three times or more |
//! | DRAINING | the backlog shrinks, and would be empty within 10 H |
//! | METASTABLE | the median goodput of the last 30 s is 0.5 g0 or less |
//! | DEGRADED | anything else |
//!
//! g0 is the goodput before the fault ([`goodput::Baseline`]), H the time that the plan allows for a recovery.
//! A plan may be judged early ([`ExperimentPlan::early`](crate::plan::ExperimentPlan::early)). Then the last window is
//! shorter, and METASTABLE, DEGRADED, DRAINING and OSCILLATING need no more observation than that.
//!
//! [`judge`] serves a finished run: it decides by the digest of its records, which counts by the frame of a [`Survey`].
//! [`judge_live`] and [`observation_is_over`] serve a run in progress. Both count with the same code.

mod baseline;
mod bins;
mod due_times;
mod failures;
pub mod goodput;
mod judgement;
mod live;
mod recovery;
mod rules;
mod survey;
mod thresholds;
pub mod timeline;
mod trend;
mod validity;
mod words;

pub use due_times::DueTimes;
pub use judgement::{Evidence, InvalidReason, Judgement, Verdict};
pub use live::{LiveJudgement, explain_baseline, judge_live, observation_is_over};
pub use recovery::Recovery;
pub use rules::judge;
pub use survey::Survey;
pub use thresholds::{BROKEN, HEALTHY, MIN_BASELINE};
pub use trend::Trend;
pub use words::VerdictText;

#[cfg(test)]
pub(crate) mod tests;
