use std::net::SocketAddr;

use hdrhistogram::Histogram;
use mlua::{Function, Table};

use super::errors::raised;
use super::state::{Environment, State};
use super::stats_object::StatsObject;
use super::thread_object::{ThreadHandle, ThreadObject};
use super::{Script, ScriptError, net};

/// The state that runs `setup` before the load and `done` after it, and makes no requests.
pub struct MainState {
    state: State,
    host: String,
    service: String,
}

/// What `done` is told in its `summary`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoneSummary {
    /// How long the load lasted, in us.
    pub duration: u64,
    /// Responses that arrived.
    pub requests: u64,
    /// Bytes of these.
    pub bytes: u64,
    pub errors: DoneErrors,
}

/// What went wrong, as wrk counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoneErrors {
    pub connect: u64,
    pub read: u64,
    pub write: u64,
    /// Responses with a status above 399.
    pub status: u64,
    pub timeout: u64,
}

impl MainState {
    /// Loads the script.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it doesn't load or raises an error.
    pub fn load(script: &Script, environment: &Environment<'_>) -> Result<MainState, ScriptError> {
        let state = State::open(Some(script), environment)?;
        let target = environment.target;
        Ok(MainState { state, host: target.host.clone(), service: target.service() })
    }

    /// Runs `wrk.resolve`, which a script may replace: the addresses of the target that take connections, also in
    /// `wrk.addrs`. The first is what a thread is given unless `setup` says otherwise.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where the target doesn't resolve, or the script raises an error.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, ScriptError> {
        let resolve = || {
            let wrk = &self.state.wrk;
            wrk.get::<Function>("resolve")?.call::<()>((self.host.as_str(), self.service.as_str()))?;
            let addresses: Table = wrk.get("addrs")?;
            addresses.sequence_values().map(|address| net::address(&address?)).collect::<mlua::Result<_>>()
        };
        resolve().map_err(|error| raised(&self.state.name, Some("resolve"), &error))
    }

    /// Runs `wrk.setup(thread)`, which gives the thread its address and runs the script's `setup(thread)`.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it raises an error.
    pub fn setup(&self, thread: Box<dyn ThreadHandle>) -> Result<(), ScriptError> {
        let setup = || self.state.wrk.get::<Function>("setup")?.call::<()>(ThreadObject(thread));
        setup().map_err(|error| raised(&self.state.name, Some("setup"), &error))
    }

    /// The script has a `done` function.
    pub fn has_done(&self) -> bool {
        self.state.has("done")
    }

    /// Calls `done(summary, latency, requests)`, where the script has it: latencies in us, rates in requests/s.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it raises an error.
    pub fn done(&self, summary: &DoneSummary, latency: &Histogram<u64>, rates: &[f64]) -> Result<(), ScriptError> {
        if !self.has_done() {
            return Ok(());
        }
        let done = || {
            let summary = self.summary(summary)?;
            let done: Function = self.state.lua.globals().get("done")?;
            done.call::<()>((summary, StatsObject::of_histogram(latency), StatsObject::of(rates)))
        };
        done().map_err(|error| raised(&self.state.name, Some("done"), &error))
    }

    fn summary(&self, summary: &DoneSummary) -> mlua::Result<Table> {
        let DoneSummary { duration, requests, bytes, errors: DoneErrors { connect, read, write, status, timeout } } =
            *summary;
        let table = |entries: &[(&str, u64)]| {
            self.state.lua.create_table_from(entries.iter().map(|&(name, n)| (name, n as f64)))
        };
        let whole = table(&[("duration", duration), ("requests", requests), ("bytes", bytes)])?;
        let errors = [("connect", connect), ("read", read), ("write", write), ("status", status), ("timeout", timeout)];
        whole.set("errors", table(&errors)?)?;
        Ok(whole)
    }
}
