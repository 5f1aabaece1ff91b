use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};

use mlua::{Function, LuaString, Table, Value};

use super::errors::{describe, raised};
use super::state::{Environment, State};
use super::thread_object::{LocalThread, ThreadHandle, ThreadObject};
use super::{PlainValue, Script, ScriptError};
use crate::http1::{self, PipelinedRequest};
use crate::units::Time;

/// A thread's Lua state: it makes the thread's requests.
pub struct Vm {
    state: State,
    args: Table,
    request: Function,
    response: Function,
    delay: Function,
    fixed: bool,
    responses: bool,
    delays: bool,
    own: LocalThread,
    /// What `request()` returned last, and what was found in it.
    last: RefCell<Option<(LuaString, Vec<PipelinedRequest>)>>,
}

impl Vm {
    /// Loads the script (or none). [`Vm::init`] must follow before requests.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it doesn't load or raises an error.
    pub fn load(script: Option<&Script>, environment: &Environment<'_>) -> Result<Vm, ScriptError> {
        let state = State::open(script, environment)?;
        let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, environment.target.port()));
        let own = LocalThread::new(state.lua.weak(), anywhere);
        let prepare = || {
            state.wrk.set("thread", ThreadObject(Box::new(own.clone())))?;
            let args = state.lua.create_sequence_from(environment.args.iter().map(String::as_str))?;
            args.set(0, environment.target.url.as_str())?;
            Ok(args)
        };
        let args = prepare().map_err(|error| raised(&state.name, None, &error))?;
        let [request, response, delay] = ["request", "response", "delay"].map(|name| state.call(name));
        let (request, response, delay) = (request?, response?, delay?);
        let (fixed, responses, delays, last) = (true, false, false, RefCell::default());
        Ok(Vm { state, args, request, response, delay, fixed, responses, delays, own, last })
    }

    /// Runs `wrk.init(args)`, which runs the script's `init(args)`.
    ///
    /// # Errors
    /// [`ScriptError`] where it raises an error, or `request` is no function.
    pub fn init(&mut self) -> Result<(), ScriptError> {
        let init = || self.state.wrk.get::<Function>("init")?.call::<()>(&self.args);
        init().map_err(|error| raised(&self.state.name, Some("init"), &error))?;
        // wrk takes no notice of globals that only have a function's name, and scripts may count on that. Of `request`
        // ours does: without it, another load would run than the one that was meant.
        self.fixed = match self.state.global("request")? {
            Value::Nil => true,
            Value::Function(_) => false,
            other => {
                let (script, what) = (self.state.name.clone(), describe(&other));
                return Err(ScriptError::NoFunction { script, what });
            }
        };
        self.responses = self.state.has("response");
        self.delays = self.state.has("delay");
        Ok(())
    }

    /// A global of this state: `thread:get(name)`.
    ///
    /// # Errors
    /// [`ScriptError::NotCopyable`] where it holds what stays in its state.
    pub fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        self.own.get(name)
    }

    /// Sets a global of this state: `thread:set(name, value)`.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where Lua finds no room for it.
    pub fn set(&self, name: &str, value: &PlainValue) -> Result<(), ScriptError> {
        self.own.put(name, value)
    }

    /// The address that the thread connects to; its own script may have changed it.
    pub fn address(&self) -> SocketAddr {
        self.own.address()
    }

    pub fn set_address(&self, address: SocketAddr) {
        self.own.set_address(address);
    }

    /// The script has called `wrk.thread:stop()`.
    pub fn stopped(&self) -> bool {
        self.own.stopped()
    }

    /// The name of its script.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The request is always the same: the script has no `request` function.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// The script has a `response` function, and so wants every response in full.
    pub fn wants_responses(&self) -> bool {
        self.responses
    }

    /// The script has a `delay` function.
    pub fn delays(&self) -> bool {
        self.delays
    }

    /// Calls `request()`, puts its bytes, unchanged, into `bytes`, and says in `parts` which requests they are.
    ///
    /// # Errors
    /// [`ScriptError`] where it raises an error or returns anything but whole HTTP requests.
    pub fn request(&self, bytes: &mut Vec<u8>, parts: &mut Vec<PipelinedRequest>) -> Result<(), ScriptError> {
        let value: Value = self.request.call(()).map_err(|error| raised(&self.state.name, None, &error))?;
        let Value::String(text) = value else {
            return Err(ScriptError::NoString { script: self.state.name.clone(), what: describe(&value) });
        };
        bytes.clear();
        bytes.extend_from_slice(&text.as_bytes());
        let mut last = self.last.borrow_mut();
        match &mut *last {
            // Lua has one object for equal strings, and this one is alive: the same pointer means the same bytes.
            Some((before, found)) if before.to_pointer() == text.to_pointer() => parts.clone_from(found),
            last => {
                http1::scan_requests(bytes, parts)
                    .map_err(|why| ScriptError::NoRequest { script: self.state.name.clone(), why })?;
                let (before, found) = last.get_or_insert_with(|| (text.clone(), Vec::new()));
                *before = text;
                found.clone_from(parts);
            }
        }
        Ok(())
    }

    /// Calls `delay()`, where the script has it: how long the next request is put off.
    ///
    /// # Errors
    /// [`ScriptError`] where it raises an error or returns what is no number of ms.
    pub fn delay(&self) -> Result<Time, ScriptError> {
        let call = || {
            let value: Value = self.delay.call(())?;
            let number = self.state.lua.coerce_number(value.clone())?;
            Ok((value, number))
        };
        match call().map_err(|error| raised(&self.state.name, Some("delay"), &error))? {
            // Below zero and NaN it is zero; what is endless is the greatest time.
            (_, Some(ms)) => Ok(Time((ms * 1e6).round() as u64)),
            (Value::Nil, None) => Ok(Time::ZERO),
            (other, None) => Err(ScriptError::NoDelay { script: self.state.name.clone(), what: describe(&other) }),
        }
    }

    /// Calls `response(status, headers, body)`, where the script has it.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it raises an error.
    pub fn response(&self, status: u16, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<(), ScriptError> {
        if !self.responses {
            return Ok(());
        }
        let call = || {
            let table = self.state.lua.create_table_with_capacity(0, headers.len())?;
            for (name, value) in headers {
                table.set(name.as_str(), self.state.lua.create_string(value)?)?;
            }
            self.response.call::<()>((status, table, self.state.lua.create_string(body)?))
        };
        call().map_err(|error| raised(&self.state.name, None, &error))
    }
}
