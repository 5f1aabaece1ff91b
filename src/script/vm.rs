use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use mlua::{Function, Lua, LuaString, Table, Value};

use super::errors::{describe_type, is_memory_error, memory_error, script_error};
use super::state::{Environment, State};
use super::thread_object::{LocalThread, ThreadHandle, ThreadObject};
use super::{PlainValue, Script, ScriptError};
use crate::http1::{self, PipelinedRequest};
use crate::units::Time;

/// The names and values of headers, in order.
type Headers = Vec<(String, Vec<u8>)>;

/// The Lua state of a thread, which makes its requests.
pub struct Vm {
    state: State,
    args: Table,
    request: Function,
    response: Function,
    delay: Function,
    is_fixed: bool,
    has_response: bool,
    has_delay: bool,
    /// The fourth argument of `response`: a function that returns all values of a header of the last response.
    all_values: Function,
    last_headers: Rc<RefCell<Headers>>,
    thread: LocalThread,
    /// Calls of `request()`.
    calls: Cell<u64>,
    /// The last result of `request()`, and the requests in it.
    last: RefCell<Option<(LuaString, Vec<PipelinedRequest>)>>,
}

impl Vm {
    /// Loads the script (or none). [`Vm::init`] must follow before requests.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if it does not load or raises an error.
    pub fn load(script: Option<&Script>, environment: &Environment<'_>) -> Result<Vm, ScriptError> {
        let state = State::open(script, environment)?;
        let unspecified = SocketAddr::from((Ipv4Addr::UNSPECIFIED, environment.target.port()));
        let thread = LocalThread::new(state.lua.weak(), unspecified);
        let prepare = || {
            state.wrk.set("thread", ThreadObject(Box::new(thread.clone())))?;
            let args = environment.args.iter().map(|arg| state.lua.create_string(arg.as_bytes()));
            let args = state.lua.create_sequence_from(args.collect::<mlua::Result<Vec<_>>>()?)?;
            args.set(0, environment.target.url.as_str())?;
            Ok(args)
        };
        let args = prepare().map_err(|error| script_error(&state.name, None, &error))?;
        let [request, response, delay] = ["request", "response", "delay"].map(|name| state.function(name));
        let (request, response, delay) = (request?, response?, delay?);
        let last_headers = Rc::<RefCell<Headers>>::default();
        let all_values = values_function(&state.lua, Rc::clone(&last_headers))
            .map_err(|error| script_error(&state.name, None, &error))?;
        Ok(Vm {
            state,
            args,
            request,
            response,
            delay,
            is_fixed: true,
            has_response: false,
            has_delay: false,
            all_values,
            last_headers,
            thread,
            calls: Cell::new(0),
            last: RefCell::default(),
        })
    }

    /// Runs `wrk.init(args)`, which runs the script's `init(args)`.
    ///
    /// # Errors
    /// [`ScriptError`] if it raises an error, or `request` is not a function.
    pub fn init(&mut self) -> Result<(), ScriptError> {
        let init = || self.state.wrk.get::<Function>("init")?.call::<()>(&self.args);
        init().map_err(|error| self.state.error("init", &error))?;
        // wrk ignores a global that has the name of a function but is not one, and scripts may rely on that. For
        // `request` it is an error here, because the load would silently send other requests.
        self.is_fixed = match self.state.global("request")? {
            Value::Nil => true,
            Value::Function(_) => false,
            other => {
                let (script, what) = (self.state.name.clone(), describe_type(&other));
                return Err(ScriptError::NotAFunction { script, what });
            }
        };
        self.has_response = self.state.has_function("response");
        self.has_delay = self.state.has_function("delay");
        Ok(())
    }

    /// The value of a global: `thread:get(name)`.
    ///
    /// # Errors
    /// [`ScriptError::NotCopyable`] if it cannot be copied.
    pub fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        self.thread.get(name)
    }

    /// Sets a global: `thread:set(name, value)`.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if Lua has no memory for it.
    pub fn set(&self, name: &str, value: &PlainValue) -> Result<(), ScriptError> {
        self.thread.set_global(name, value)
    }

    /// The address that the thread connects to. The script can change it.
    pub fn address(&self) -> SocketAddr {
        self.thread.address()
    }

    /// Changes the address that the thread connects to.
    pub fn set_address(&self, address: SocketAddr) {
        self.thread.set_address(address);
    }

    /// Whether the script has called `wrk.thread:stop()`.
    pub fn is_stopped(&self) -> bool {
        self.thread.is_stopped()
    }

    /// The name of the script.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Whether the request is always the same, because the script has no `request` function.
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// Whether the script has a `response` function, and so needs complete responses.
    pub fn has_response(&self) -> bool {
        self.has_response
    }

    /// Whether the script has a `delay` function.
    pub fn has_delay(&self) -> bool {
        self.has_delay
    }

    /// Calls `request()`. Stores its result unchanged in `bytes`, and the requests found in it in `parts`.
    ///
    /// # Errors
    /// [`ScriptError`] if it raises an error, or does not return complete HTTP requests.
    pub fn request(&self, bytes: &mut Vec<u8>, parts: &mut Vec<PipelinedRequest>) -> Result<(), ScriptError> {
        self.calls.set(self.calls.get() + 1);
        let value: Value = self.request.call(()).map_err(|error| self.call_error("request", &error))?;
        let Value::String(text) = value else {
            return Err(ScriptError::NotAString { script: self.state.name.clone(), what: describe_type(&value) });
        };
        bytes.clear();
        let length = text.as_bytes().len();
        bytes.try_reserve(length).map_err(|_| memory_error(&self.state.name, Some("request"), ""))?;
        bytes.extend_from_slice(&text.as_bytes());
        let mut last = self.last.borrow_mut();
        match &mut *last {
            // Lua interns strings, and the last one is still alive: the same pointer means the same bytes.
            Some((before, found)) if before.to_pointer() == text.to_pointer() => parts.clone_from(found),
            last => {
                http1::scan_requests(bytes, parts).map_err(|why| {
                    let start = parts.last().map_or(0, |part| part.end);
                    let line = quote_line(&bytes[start..]);
                    ScriptError::InvalidRequest { script: self.state.name.clone(), call: self.calls.get(), line, why }
                })?;
                let (before, found) = last.get_or_insert_with(|| (text.clone(), Vec::new()));
                *before = text;
                found.clone_from(parts);
            }
        }
        Ok(())
    }

    /// Calls `delay()`: how long to delay the next request. Zero if the script does not have it.
    ///
    /// # Errors
    /// [`ScriptError`] if it raises an error, or does not return a number of ms.
    pub fn delay(&self) -> Result<Time, ScriptError> {
        let call = || {
            let value: Value = self.delay.call(())?;
            let number = self.state.lua.coerce_number(value.clone())?;
            Ok((value, number))
        };
        match call().map_err(|error| self.state.error("delay", &error))? {
            // Negative numbers and NaN become zero, infinity the greatest time.
            (_, Some(ms)) => Ok(Time((ms * 1e6).round() as u64)),
            (Value::Nil, None) => Ok(Time::ZERO),
            (other, None) => {
                Err(ScriptError::NotANumber { script: self.state.name.clone(), what: describe_type(&other) })
            }
        }
    }

    /// Calls `response(status, headers, body, all)` if the script has it. Of several headers with the same name, `headers`
    /// has the last one, as in wrk2, and `all(name)` returns all.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if it raises an error.
    pub fn response(&self, status: u16, headers: Headers, body: &[u8]) -> Result<(), ScriptError> {
        if !self.has_response {
            return Ok(());
        }
        let call = move || {
            let table = self.state.lua.create_table_with_capacity(0, headers.len())?;
            for (name, value) in &headers {
                table.set(name.as_str(), self.state.lua.create_string(value)?)?;
            }
            self.last_headers.replace(headers);
            self.response.call::<()>((status, table, self.state.lua.create_string(body)?, &self.all_values))
        };
        call().map_err(|error| self.call_error("response", &error))
    }

    /// The error of a function whose name is only of use if there is no line.
    fn call_error(&self, function: &str, error: &mlua::Error) -> ScriptError {
        match is_memory_error(error) {
            true => self.state.error(function, error),
            false => script_error(&self.state.name, None, error),
        }
    }
}

/// The first line of a request for a message, at most 100 characters of it.
pub fn quote_line(request: &[u8]) -> String {
    let line = String::from_utf8_lossy(http1::first_line(request)).escape_debug().to_string();
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// A Lua function of a name that returns all values of the headers with that name, in any case of letters, as a list.
fn values_function(lua: &Lua, headers: Rc<RefCell<Headers>>) -> mlua::Result<Function> {
    lua.create_function(move |lua, name: LuaString| {
        let wanted = name.as_bytes();
        let values = lua.create_table()?;
        for (_, value) in headers.borrow().iter().filter(|(name, _)| name.as_bytes().eq_ignore_ascii_case(&wanted)) {
            values.push(lua.create_string(value)?)?;
        }
        Ok(values)
    })
}
