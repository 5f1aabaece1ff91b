use std::net::SocketAddr;

use hdrhistogram::Histogram;
use mlua::{Function, Table};

use super::state::{Environment, State};
use super::stats_object::StatsObject;
use super::thread_object::{ThreadHandle, ThreadObject};
use super::{Script, ScriptError, net};
use crate::record::ErrorCounts;
use crate::units::Time;

/// The state that runs `setup` before the load and `done` after it. It makes no requests.
pub struct MainState {
    state: State,
    host: String,
    service: String,
}

/// The `summary` argument of `done`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoneSummary {
    /// How long the load lasted.
    pub duration: Time,
    /// Responses received.
    pub requests: u64,
    /// Bytes of these responses.
    pub bytes: u64,
    /// Errors by kind.
    pub errors: ErrorCounts,
}

impl MainState {
    /// Loads the script.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if it does not load or raises an error.
    pub fn load(script: &Script, environment: &Environment<'_>) -> Result<MainState, ScriptError> {
        let state = State::open(Some(script), environment)?;
        let target = environment.target;
        Ok(MainState { state, host: target.host.clone(), service: target.service() })
    }

    /// Runs `wrk.resolve`, which a script may replace, and returns `wrk.addrs`: the addresses of the target that accept
    /// connections. A thread uses the first one unless `setup` sets another.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if the target cannot be resolved, or the script raises an error.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, ScriptError> {
        let resolve = || {
            let wrk = &self.state.wrk;
            wrk.get::<Function>("resolve")?.call::<()>((self.host.as_str(), self.service.as_str()))?;
            let addresses: Table = wrk.get("addrs")?;
            addresses.sequence_values().map(|address| net::parse_address(&address?)).collect::<mlua::Result<_>>()
        };
        resolve().map_err(|error| self.state.error("resolve", &error))
    }

    /// Runs `wrk.setup(thread)`, which sets the thread's address and calls the script's `setup(thread)`.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if it raises an error.
    pub fn setup(&self, thread: Box<dyn ThreadHandle>) -> Result<(), ScriptError> {
        let setup = || self.state.wrk.get::<Function>("setup")?.call::<()>(ThreadObject(thread));
        setup().map_err(|error| self.state.error("setup", &error))
    }

    /// Whether the script has a `done` function.
    pub fn has_done(&self) -> bool {
        self.state.has_function("done")
    }

    /// Calls `done(summary, latency, requests)` if the script has it. Latencies are in us, rates in requests/s.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if it raises an error.
    pub fn done(&self, summary: &DoneSummary, latency: &Histogram<u64>, rates: &[f64]) -> Result<(), ScriptError> {
        if !self.has_done() {
            return Ok(());
        }
        let done = || {
            let summary = self.create_summary(summary)?;
            let done: Function = self.state.lua.globals().get("done")?;
            done.call::<()>((summary, StatsObject::of_histogram(latency), StatsObject::of(rates)))
        };
        done().map_err(|error| self.state.error("done", &error))
    }

    fn create_summary(&self, summary: &DoneSummary) -> mlua::Result<Table> {
        let DoneSummary { duration, requests, bytes, errors } = *summary;
        let ErrorCounts { connect, read, write, status, timeout } = errors;
        let table = |entries: &[(&str, u64)]| {
            self.state.lua.create_table_from(entries.iter().map(|&(name, n)| (name, n as f64)))
        };
        let whole = table(&[("duration", duration.round_to_us()), ("requests", requests), ("bytes", bytes)])?;
        let errors = [("connect", connect), ("read", read), ("write", write), ("status", status), ("timeout", timeout)];
        whole.set("errors", table(&errors)?)?;
        Ok(whole)
    }
}
