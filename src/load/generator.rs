//! Where loads are generated: in this process, or by several generators. What runs a load need not know which.

use std::fmt::Debug;
use std::sync::Arc;

use super::{LiveCounters, LoadError, LoadPlan, LoadResult};
use crate::record::sink::RecordSenders;
use crate::record::{Clock, PartStats};
use crate::units::Time;

/// Prepares loads.
pub trait Generator: Debug + Send + Sync {
    /// How many generators share a load. `None` if it is only this process.
    fn parts(&self) -> Option<u16>;

    /// Prepares a load for each plan. All start together. Blocks. What waits for others asks `is_cancelled` several times a
    /// second.
    ///
    /// # Errors
    /// The error of the first load that cannot start. Nothing was sent then.
    fn prepare(
        &self,
        plans: Vec<LoadPlan>,
        senders: Option<&RecordSenders>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Box<dyn ReadyLoad>, LoadError>;
}

/// Loads that are ready to start.
pub trait ReadyLoad: Send {
    /// Starts the loads on one clock. Its zero is `lead` from now, or as far ahead as the generators need. Blocks until it
    /// is known.
    ///
    /// # Errors
    /// If a generator was lost before the start. Nothing was sent then.
    fn start(self: Box<Self>, lead: Time) -> Result<Box<dyn ActiveLoad>, LoadError>;
}

/// Loads that run.
pub trait ActiveLoad: Send {
    /// The clock of the loads.
    fn clock(&self) -> Clock;

    /// Whether all loads have ended. If a script fails, all loads stop.
    ///
    /// # Errors
    /// If a load did not end normally.
    fn poll_finished(&mut self) -> Result<bool, LoadError>;

    /// Ends arrivals. Requests in flight may finish within the drain of the plan.
    fn end_arrivals(&self);

    /// Ends all loads at once. Their results account for requests that are still in flight.
    fn stop(&self);

    /// Ends all loads at once: see [`LoadControl::hurry`](super::LoadControl::hurry).
    fn hurry(&self);

    /// The live counters, one for each thread, or one for each generator.
    fn live(&self) -> Vec<Arc<LiveCounters>>;

    /// Within this time after the end of a request its record arrives at the sinks.
    fn record_delay(&self) -> Time;

    /// The progress of several generators. `None` if there is only this process.
    fn parts_progress(&self) -> Option<PartsProgress>;

    /// The results. Waits for the end of the loads.
    ///
    /// # Errors
    /// If a load did not end normally.
    fn finish(self: Box<Self>) -> Result<GeneratorResult, LoadError>;
}

/// What the loads return at their end.
pub struct GeneratorResult {
    /// In the order of the plans.
    pub loads: Vec<LoadResult>,
    /// Each of several generators. Empty if there was only this process.
    pub parts: Vec<PartStats>,
    /// Why the load ended before its time, if a generator was lost.
    pub lost: Option<String>,
}

/// The progress of several generators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsProgress {
    /// How many of the parts are not lost.
    pub active: u16,
    /// How many parts there are.
    pub parts: u16,
    /// The worst send lag since the last call, and the machine of that part.
    pub send_lag: Option<(Time, String)>,
}
