use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use super::{Script, ScriptError, socket};
use crate::http1;
use crate::target::Target;

/// What a script is told about the run.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    pub target: &'a Target,
    /// Put into `wrk.headers` before the script runs.
    pub headers: &'a [(String, String)],
    /// Given to `init(args)`, behind the URL.
    pub args: &'a [String],
    /// A number of this thread's own, for scripts that want repeatable randomness: `wrk.seed`.
    pub seed: u64,
}

/// The script that every state has.
const OWN: &str = "wrk.lua";

/// A thread's Lua state with its script loaded.
pub struct Vm {
    // Holds the functions below; dropped last.
    lua: Lua,
    name: String,
    request: Function,
    response: Option<Function>,
    fixed: bool,
}

impl Vm {
    /// Loads the script (or none) and runs `wrk.init`, which runs the script's `init(args)`.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it doesn't load or raises an error.
    pub fn new(script: Option<&Script>, environment: &Environment<'_>) -> Result<Vm, ScriptError> {
        let name = script.map_or(OWN, |script| &script.name);
        Vm::load(script, environment).map_err(|error| raised(name, &error))
    }

    fn load(script: Option<&Script>, environment: &Environment<'_>) -> mlua::Result<Vm> {
        // SAFETY: `ffi`, `debug` and C modules can break the state. A script is trusted like any program the user runs.
        #[allow(unsafe_code)]
        let lua = unsafe { Lua::unsafe_new_with(StdLib::ALL, LuaOptions::new().catch_rust_panics(false)) };
        socket::install(&lua)?;
        let wrk = wrk_table(&lua, environment)?;
        lua.load(include_str!("../../lua/wrk.lua")).set_name(format!("={OWN}")).exec()?;
        if let Some(script) = script {
            lua.load(&script.text).set_name(format!("@{}", script.name)).exec()?;
        }
        let args = lua.create_table()?;
        args.set(0, environment.target.url.as_str())?;
        for arg in environment.args {
            args.push(arg.as_str())?;
        }
        wrk.get::<Function>("init")?.call::<()>(args)?;

        let own: Option<Function> = lua.globals().get("request")?;
        let fixed = own.is_none();
        let request = match own {
            Some(own) => own,
            None => wrk.get("request")?,
        };
        let response = lua.globals().get("response")?;
        let name = script.map_or(OWN, |script| &script.name).to_owned();
        Ok(Vm { lua, name, request, response, fixed })
    }

    /// The name of its script.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The request is always the same: the script has no `request` function.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// The script has a `response` function, and so wants every response in full.
    pub fn wants_responses(&self) -> bool {
        self.response.is_some()
    }

    /// Calls `request()` and puts its bytes, unchanged, into `bytes`. Says whether it is a HEAD request.
    ///
    /// # Errors
    /// [`ScriptError`] where it raises an error or returns anything but one whole HTTP request.
    pub fn request(&self, bytes: &mut Vec<u8>) -> Result<bool, ScriptError> {
        let value: Value = self.request.call(()).map_err(|error| raised(&self.name, &error))?;
        let Value::String(text) = value else {
            return Err(ScriptError::NoString { script: self.name.clone(), what: describe(&value) });
        };
        bytes.clear();
        bytes.extend_from_slice(&text.as_bytes());
        let found =
            http1::scan_requests(bytes).map_err(|why| ScriptError::NoRequest { script: self.name.clone(), why })?;
        if found.count > 1 {
            return Err(ScriptError::Pipeline { script: self.name.clone(), count: found.count });
        }
        Ok(found.head)
    }

    /// Calls `response(status, headers, body)`, where the script has it.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it raises an error.
    pub fn response(&self, status: u16, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<(), ScriptError> {
        let Some(response) = &self.response else { return Ok(()) };
        let call = || {
            let table = self.lua.create_table_with_capacity(0, headers.len())?;
            for (name, value) in headers {
                table.set(name.as_str(), self.lua.create_string(value)?)?;
            }
            response.call::<()>((status, table, self.lua.create_string(body)?))
        };
        call().map_err(|error| raised(&self.name, &error))
    }
}

/// The `wrk` table as far as the program fills it; `wrk.lua` does the rest.
fn wrk_table(lua: &Lua, environment: &Environment<'_>) -> mlua::Result<Table> {
    let target = environment.target;
    let wrk = lua.create_table()?;
    wrk.set("scheme", target.scheme.as_str())?;
    wrk.set("host", target.host.as_str())?;
    wrk.set("port", target.port)?;
    wrk.set("authority", target.authority.as_str())?;
    wrk.set("path", target.path.as_str())?;
    // Doubles hold 53 bits, and randomseed takes a double.
    wrk.set("seed", (environment.seed & ((1 << 53) - 1)) as f64)?;
    let headers = lua.create_table()?;
    for (name, value) in environment.headers {
        headers.set(name.as_str(), value.as_str())?;
    }
    wrk.set("headers", headers)?;
    wrk.set("time_us", lua.create_function(|_, ()| Ok(socket::since_epoch().as_micros() as f64))?)?;
    wrk.set("lookup", lua.create_function(lookup)?)?;
    wrk.set("connect", lua.create_function(|_, address: String| Ok(connects(&address)))?)?;
    lua.globals().set("wrk", &wrk)?;
    lua.globals().set("url", target.url.as_str())?;
    Ok(wrk)
}

/// The addresses of a host's service, as `ip:port`; none where it does not resolve.
fn lookup(lua: &Lua, (host, service): (String, String)) -> mlua::Result<Table> {
    let port = match service.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        number => number.parse().ok(),
    };
    let found = port.and_then(|port: u16| (host.as_str(), port).to_socket_addrs().ok());
    lua.create_sequence_from(found.into_iter().flatten().map(|address| address.to_string()))
}

fn connects(address: &str) -> bool {
    address.parse().is_ok_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
}

/// What a script raised. What is no string says nothing of where it comes from: then at least the script is named.
fn raised(script: &str, error: &mlua::Error) -> ScriptError {
    let message = message(error);
    ScriptError::Lua(if message.contains(script) { message } else { format!("{script}: raised {message}") })
}

/// Lua's message without the traceback: `file:line: what`.
fn message(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => text.clone(),
        mlua::Error::CallbackError { cause, .. } => return message(cause),
        other => other.to_string(),
    };
    let end = text.find("\nstack traceback").unwrap_or(text.len());
    text[..end].trim_end().to_owned()
}

fn describe(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Integer(_) => "a number".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}
