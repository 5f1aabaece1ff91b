//! One real request before a load, to see how the target answers.

use super::plan::{LoadPlan, LoadSettings, OnTimeout, PlanError, Retries, WhenBusy};
use super::{LoadError, PreparedLoad};
use crate::arrivals::ArrivalProcess;
use crate::record::sink::{RecordForwarder, Recorder};
use crate::record::{Clock, RequestRecord};
use crate::units::Time;

/// The target has this long to answer.
pub const ANSWER_TIMEOUT: Time = Time::from_secs(5);

/// A load of one request, the first one of a load with `settings`.
///
/// # Errors
/// [`PlanError`] if a setting is not possible.
pub fn plan_one_request(settings: LoadSettings) -> Result<LoadPlan, PlanError> {
    LoadPlan::new(LoadSettings {
        threads: 1,
        connections: 1,
        max_connections: 1,
        streams: 1,
        // Only the first request, at 0, is due within the duration.
        duration: Time::from_millis(1),
        rate: 1000.0.into(),
        arrivals: ArrivalProcess::Fixed,
        when_busy: WhenBusy::Wait,
        catch_up: None,
        timeout: ANSWER_TIMEOUT,
        on_timeout: OnTimeout::Abandon,
        retries: Retries::default(),
        drain: ANSWER_TIMEOUT,
        warmup: Time::ZERO,
        ..settings
    })
}

/// Sends the request of a plan of [`plan_one_request`], as the load does, and returns its record. Blocks until it ends.
///
/// # Errors
/// [`LoadError`] if the load cannot start: the target cannot be reached, for example, or the script makes no requests.
pub fn send_one_request(plan: LoadPlan) -> Result<Option<RequestRecord>, LoadError> {
    let (forward, records) = RecordForwarder::new();
    let recorder = Recorder::start(vec![Box::new(forward)]).map_err(LoadError::Thread)?;
    let load = PreparedLoad::new(plan, Some(recorder.senders()))?.start(Clock::starting_in(Time::from_millis(1)));
    let result = load.finish()?;
    recorder.finish().map_err(LoadError::Thread)?;
    match result.threads.into_iter().find_map(|thread| thread.failure) {
        Some(error) => Err(LoadError::Script(error)),
        None => Ok(records.try_iter().flatten().next()),
    }
}
